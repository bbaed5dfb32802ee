package exhaust

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// It must not be used but on whom an engine has put into a cgroup of its own.
func TestBesideRefuses(t *testing.T) {
	self := strconv.Itoa(os.Getpid())
	if _, err := os.Stat("/proc/self/cgroup"); err != nil {
		t.Skip("this test needs cgroups: ", err)
	}
	for _, c := range []struct{ bytes, process, want string }{
		{"much", self, `"much" is no number of bytes`},
		{"0", self, `"0" is no number of bytes`},
		{"1048576", "1", `"1" is no process`},
		{"1048576", "-5", `"-5" is no process`},
		{"1048576", "self", `"self" is no process`},
		{"1048576", self, "shares a cgroup"}, // with itself, but it is nobody's
	} {
		if err := Beside(t.Context(), strings.NewReader(""), "/dev/shm", c.bytes, c.process); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: got %v, want %s", c.bytes, c.process, err, c.want)
		}
	}
}

func TestCgroupOf(t *testing.T) {
	for _, c := range []struct {
		text, want string
		ok         bool
	}{
		{"5:memory:/bedlam-r/a\n2:cpu,cpuacct:/x\n0::/y\n", "/bedlam-r/a", true},
		{"0::/y\n5:memory:/bedlam-r/a:b\n", "/bedlam-r/a:b", true},
		{"0::/bedlam-r/a\n", "/bedlam-r/a", true},
		{"2:cpu:/x\n", "", false},
		{"", "", false},
	} {
		if got, ok := cgroupOf(c.text); got != c.want || ok != c.ok {
			t.Errorf("%q: got %q, %t", c.text, got, ok)
		}
	}
}

func FuzzCgroupOf(f *testing.F) {
	f.Add("5:memory:/bedlam-r/a\n0::/\n")
	f.Fuzz(func(t *testing.T, text string) {
		if got, ok := cgroupOf(text); !strings.Contains(text, got) || !ok && got != "" {
			t.Errorf("%q holds %q", text, got)
		}
	})
}
