package process_test

import (
	"os"
	"testing"

	"github.com/bedlamlab/bedlam/deploy/process"
)

func TestParseStat(t *testing.T) {
	b, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		t.Fatal(err)
	}
	pid, parent, state, err := process.ParseStat(b)
	if err != nil || pid != os.Getpid() || parent != os.Getppid() || state != 'R' && state != 'S' { // its first thread may be waiting
		t.Errorf("of ourselves it reads process %d, parent %d, state %c, %v", pid, parent, state, err)
	}
	const rest = " T 7 8 9 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0"
	for _, c := range []struct{ why, text string }{
		{"a name with a space", "42 (a b)" + rest},
		{"a name that looks like fields", "42 () R 1 2 (x)" + rest},
		{"a name with a line break", "42 (a\nb)" + rest},
	} {
		if pid, parent, state, err := process.ParseStat([]byte(c.text)); err != nil || pid != 42 || parent != 7 || state != 'T' {
			t.Errorf("%s: read as process %d, parent %d, state %c, %v", c.why, pid, parent, state, err)
		}
	}
	for _, c := range []struct{ why, text string }{
		{"nothing", ""},
		{"no name", "42 T 7 8 9"},
		{"too short", "42 (a) T 7 8 9"},
		{"no number", "x (a)" + rest},
		{"parentheses the wrong way round", ") 42 ("},
	} {
		if pid, _, _, err := process.ParseStat([]byte(c.text)); err == nil {
			t.Errorf("%s: read as process %d", c.why, pid)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("42 (a b) T 7 8 9 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0"))
	f.Add([]byte("1 ()) Z"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, _, state, err := process.ParseStat(b); err == nil && state == 0 {
			t.Errorf("%q was read without a state", b)
		}
	})
}
