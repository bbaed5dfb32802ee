package impair

import (
	"encoding/binary"
	"slices"
	"time"
)

// The code that stands in for the vDSO's own, for amd64. Each asks the kernel
// by a system call, which may take and change only what any function may, and
// adds the skew to what it says of a wall clock. The other clocks, by which
// programs measure and wait, are told as they are.
//
// What is computed is what the C functions of that name would: a time of
// seconds and a fraction, of which the fraction is never negative.
var clocks = []struct {
	name string
	code func(skew int64) []byte
}{
	{"__vdso_clock_gettime", clockGettime},
	{"__vdso_gettimeofday", gettimeofday},
	{"__vdso_time", timeOf},
}

// jumpSize is the length of a jump within 2 GiB.
const jumpSize = 5

// jump is one from one place of the image to another.
func jump(from, to int) []byte {
	return binary.LittleEndian.AppendUint32([]byte{0xe9}, uint32(int32(to-from-jumpSize)))
}

// parts splits a skew into seconds, perhaps negative, and nanoseconds, which
// are not.
func parts(skew int64) (seconds uint64, nanoseconds uint32) {
	s, ns := skew/int64(time.Second), skew%int64(time.Second)
	if ns < 0 {
		s, ns = s-1, ns+int64(time.Second)
	}
	return uint64(s), uint32(ns)
}

func imm32(v uint32) []byte { return binary.LittleEndian.AppendUint32(nil, v) }
func imm64(v uint64) []byte { return binary.LittleEndian.AppendUint64(nil, v) }

// clockGettime is clock_gettime(clock in edi, time in rsi): 0 is CLOCK_REALTIME,
// 5 its coarse one, 11 CLOCK_TAI.
func clockGettime(skew int64) []byte {
	s, ns := parts(skew)
	add := slices.Concat(
		[]byte{0x48, 0xb9}, imm64(s), // mov rcx, seconds
		[]byte{0x48, 0x01, 0x0e},            // add [rsi], rcx
		[]byte{0x48, 0x8b, 0x4e, 0x08},      // mov rcx, [rsi+8]
		[]byte{0x48, 0x81, 0xc1}, imm32(ns), // add rcx, nanoseconds
		[]byte{0x48, 0x81, 0xf9}, imm32(1e9), // cmp rcx, a second
		[]byte{0x7c, 10},                     // jl past the carry
		[]byte{0x48, 0x81, 0xe9}, imm32(1e9), // sub rcx, a second
		[]byte{0x48, 0xff, 0x06},       // inc qword [rsi]
		[]byte{0x48, 0x89, 0x4e, 0x08}, // mov [rsi+8], rcx
	)
	return slices.Concat(
		[]byte{0xb8}, imm32(228), // mov eax, SYS_clock_gettime
		[]byte{0x0f, 0x05},                // syscall
		[]byte{0x85, 0xc0},                // test eax, eax
		[]byte{0x75, byte(14 + len(add))}, // jnz to the end
		[]byte{0x85, 0xff},                // test edi, edi
		[]byte{0x74, 10},                  // jz to the addition
		[]byte{0x83, 0xff, 5},             // cmp edi, 5
		[]byte{0x74, 5},                   // je to the addition
		[]byte{0x83, 0xff, 11},            // cmp edi, 11
		[]byte{0x75, byte(len(add))},      // jne to the end
		add,
		[]byte{0xc3}, // ret
	)
}

// gettimeofday is gettimeofday(time in rdi or 0, zone in rsi or 0).
func gettimeofday(skew int64) []byte {
	s, ns := parts(skew)
	add := slices.Concat(
		[]byte{0x48, 0xb9}, imm64(s), // mov rcx, seconds
		[]byte{0x48, 0x01, 0x0f},                 // add [rdi], rcx
		[]byte{0x48, 0x8b, 0x4f, 0x08},           // mov rcx, [rdi+8]
		[]byte{0x48, 0x81, 0xc1}, imm32(ns/1000), // add rcx, microseconds
		[]byte{0x48, 0x81, 0xf9}, imm32(1e6), // cmp rcx, a second
		[]byte{0x7c, 10},                     // jl past the carry
		[]byte{0x48, 0x81, 0xe9}, imm32(1e6), // sub rcx, a second
		[]byte{0x48, 0xff, 0x07},       // inc qword [rdi]
		[]byte{0x48, 0x89, 0x4f, 0x08}, // mov [rdi+8], rcx
	)
	return slices.Concat(
		[]byte{0xb8}, imm32(96), // mov eax, SYS_gettimeofday
		[]byte{0x0f, 0x05},               // syscall
		[]byte{0x85, 0xc0},               // test eax, eax
		[]byte{0x75, byte(5 + len(add))}, // jnz to the end
		[]byte{0x48, 0x85, 0xff},         // test rdi, rdi
		[]byte{0x74, byte(len(add))},     // jz to the end
		add,
		[]byte{0xc3}, // ret
	)
}

// timeOf is time(seconds in rdi or 0). It works in the red zone below the
// stack, which is a function's own that calls no other.
func timeOf(skew int64) []byte {
	s, ns := parts(skew)
	return slices.Concat(
		[]byte{0x49, 0x89, 0xf8},             // mov r8, rdi
		[]byte{0x31, 0xff},                   // xor edi, edi
		[]byte{0x48, 0x8d, 0x74, 0x24, 0xf0}, // lea rsi, [rsp-16]
		[]byte{0xb8}, imm32(228),             // mov eax, SYS_clock_gettime
		[]byte{0x0f, 0x05},                   // syscall
		[]byte{0x48, 0x8b, 0x44, 0x24, 0xf0}, // mov rax, [rsp-16]
		[]byte{0x48, 0x8b, 0x4c, 0x24, 0xf8}, // mov rcx, [rsp-8]
		[]byte{0x48, 0x81, 0xc1}, imm32(ns),  // add rcx, nanoseconds
		[]byte{0x48, 0x81, 0xf9}, imm32(1e9), // cmp rcx, a second
		[]byte{0x7c, 3},              // jl past the carry
		[]byte{0x48, 0xff, 0xc0},     // inc rax
		[]byte{0x48, 0xb9}, imm64(s), // mov rcx, seconds
		[]byte{0x48, 0x01, 0xc8}, // add rax, rcx
		[]byte{0x4d, 0x85, 0xc0}, // test r8, r8
		[]byte{0x74, 3},          // jz to the end
		[]byte{0x49, 0x89, 0x00}, // mov [r8], rax
		[]byte{0xc3},             // ret
	)
}
