package impair

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// Image returns the vDSO of a process.
func Image(pid int) ([]byte, error) {
	v, err := vdsoOf(pid)
	return v.image, err
}

func TestLeave(t *testing.T) {
	for _, c := range []struct {
		open  []int
		spare int
		want  uint64
	}{
		{nil, 0, 0}, {nil, 2, 2}, {[]int{0, 1, 2}, 0, 3}, {[]int{0, 1, 2}, 4, 7},
		{[]int{0, 1, 2, 9}, 0, 3}, {[]int{0, 1, 4, 9}, 2, 5 - 0}, {[]int{0, 2, 3}, 1, 4},
	} {
		if got := leave(c.open, c.spare); got != c.want {
			free := 0
			for n := range int(got) {
				if !slices.Contains(c.open, n) {
					free++
				}
			}
			t.Errorf("%v and %d more: %d (%d free), want %d", c.open, c.spare, got, free, c.want)
		}
	}
}

func TestParts(t *testing.T) {
	for _, c := range []struct {
		skew time.Duration
		s    int64
		ns   uint32
	}{{time.Hour, 3600, 0}, {-time.Second, -1, 0}, {-time.Nanosecond, -1, 999999999}, {1500 * time.Millisecond, 1, 5e8}, {-1500 * time.Millisecond, -2, 5e8}} {
		if s, ns := parts(int64(c.skew)); int64(s) != c.s || ns != c.ns {
			t.Errorf("%s: %d s and %d ns", c.skew, int64(s), ns)
		}
	}
}

// The kernel's texts, and anything else.
func FuzzKernelTexts(f *testing.F) {
	f.Add("1 (a) b) S 1 2 3")
	f.Add("0 0x3 0x7f 0x7fff1388e708 0x7f9118bb32ad\n")
	f.Add("-1 0x7fff1388e708 0x7f9118bb32ad\n")
	f.Add("running\n")
	f.Add("max 100000")
	f.Add("50000 100000")
	f.Add("4:memory:/a\n0::/b\n")
	f.Add("Max open files            1024                 20000                files\n")
	f.Add("30 23 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n")
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := stateOf(text); err == nil && !strings.Contains(text, string(s)) {
			t.Errorf("state %q of %q", s, text)
		}
		counter(text)
		if s, err := parseMax(text); err == nil && s.Quota < 0 && strings.HasPrefix(text, "5") {
			t.Errorf("%+v of %q", s, text)
		}
		fileLimit(text)
		pathOf(text, "memory")
		rootOf(text, "cgroup", "cpu")
		if d, err := cpuTime(text); err == nil && d < 0 {
			t.Errorf("%s of %q", d, text)
		}
	})
}
