package impair

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
)

// A vdso is the kernel's own library as it stands in the memory of a process:
// the same in all of them, as long as nobody has changed it.
type vdso struct {
	at    int64
	image []byte
}

// vdsoOf finds and reads that of a process. Its memory is read with the same
// permission with which it could be changed.
func vdsoOf(pid int) (vdso, error) {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return vdso{}, err
	}
	var v vdso
	var end int64
	for line := range strings.Lines(string(maps)) { // proc_pid_maps(5)
		if !strings.HasSuffix(strings.TrimSpace(line), "[vdso]") {
			continue
		}
		if _, err := fmt.Sscanf(line, "%x-%x", &v.at, &end); err != nil {
			return vdso{}, fmt.Errorf("reading where the vDSO is: %w", err)
		}
	}
	if v.at == 0 {
		return vdso{}, os.ErrNotExist // a process that is ending has no memory any more
	}
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return vdso{}, err
	}
	defer mem.Close()
	v.image = make([]byte, end-v.at)
	_, err = mem.ReadAt(v.image, v.at)
	return v, err
}

// pristine is the vDSO as the kernel gives it out, by our own.
var pristine = sync.OnceValues(func() (vdso, error) { return vdsoOf(os.Getpid()) })

// function finds one by its name: where it begins in the image.
func (v vdso) function(name string) (int, error) {
	f, err := elf.NewFile(bytes.NewReader(v.image))
	if err != nil {
		return 0, fmt.Errorf("reading the vDSO: %w", err)
	}
	all, err := f.DynamicSymbols()
	if err != nil {
		return 0, fmt.Errorf("reading the vDSO: %w", err)
	}
	for _, s := range all {
		if s.Name == name && s.Size >= jumpSize && s.Value+s.Size <= uint64(len(v.image)) {
			return int(s.Value), nil
		}
	}
	return 0, fmt.Errorf("this kernel's vDSO has no %s", name)
}

// room returns where in the image there is nothing behind everything: the rest
// of its last page.
func (v vdso) room() int {
	const align = 16
	end := len(bytes.TrimRight(v.image, "\x00"))
	// A zero may be the end of what stands before.
	return (end+2*align-1)/align*align + align
}

// patched returns the image with a skewed clock.
func (v vdso) patched(skew int64) ([]byte, error) {
	image := bytes.Clone(v.image)
	at := v.room()
	for _, c := range clocks {
		from, err := v.function(c.name)
		if err != nil {
			return nil, err
		}
		code := c.code(skew)
		if at+len(code) >= len(image)-1 { // the last byte is our mark
			return nil, errors.New("this kernel's vDSO has no room")
		}
		copy(image[at:], code)
		copy(image[from:], jump(from, at))
		at += len(code)
	}
	return image, nil
}
