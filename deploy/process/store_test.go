package process_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/bedlamlab/bedlam/deploy/enginetest"
	"github.com/bedlamlab/bedlam/deploy/postgres"
)

// TestPostmasterAloneIsKilled leaves a frozen child behind, which does not see
// that its parent died and would keep the next one from starting.
func TestPostmasterAloneIsKilled(t *testing.T) {
	p := enginetest.Plan(t)
	s, _ := up(t, p)
	dir := filepath.Join(p.Scratch, "pg-1")
	pids, err := postgres.Processes(dir)
	if err != nil {
		t.Fatal(err)
	}
	before := inspect(t, s, "pg-1")
	if len(pids) < 2 || pids[0] != before.PID {
		t.Fatalf("its processes are %v and its first is %d: want a postmaster and children", pids, before.PID)
	}
	orphan := pids[1] // one of those that live as long as the server
	if err := syscall.Kill(orphan, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(before.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is back", func() bool {
		st := inspect(t, s, "pg-1")
		return st.Ready && st.Starts == before.Starts+1
	})
	now, err := postgres.Processes(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range now {
		if pid == orphan {
			t.Errorf("process %d of its former life still lives", pid)
		}
	}
}

// TestNoSharedMemoryStays ends a server in each of our ways, and looks for its
// segment in the kernel's own list.
func TestNoSharedMemoryStays(t *testing.T) {
	if _, err := os.Stat(sysvSegments); err != nil {
		t.Skip("the kernel does not list its segments here: ", err)
	}
	for _, c := range []struct {
		name string
		end  func(t *testing.T, s whole) error
	}{
		{"Down", func(t *testing.T, s whole) error { return s.Down(within(t)) }},
		{"KillThenDown", func(t *testing.T, s whole) error {
			if err := s.Hold(within(t), "pg-1"); err != nil {
				return err
			}
			if err := s.Kill(within(t), "pg-1"); err != nil {
				return err
			}
			return s.Down(within(t))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := enginetest.Plan(t)
			s, _ := up(t, p)
			segment, err := postgres.Residue(filepath.Join(p.Scratch, "pg-1"))
			if err != nil || segment == nil || !listed(t, *segment) {
				t.Fatalf("a running server's segment is %+v, %v, want one that the kernel lists", segment, err)
			}
			if err := c.end(t, s); err != nil {
				t.Fatal(err)
			}
			if listed(t, *segment) {
				t.Errorf("segment %+v is left in the kernel", *segment)
			}
		})
	}
}

const sysvSegments = "/proc/sysvipc/shm"

func listed(t *testing.T, s postgres.Segment) bool {
	t.Helper()
	b, err := os.ReadFile(sysvSegments)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) > 1 && f[0] == strconv.Itoa(int(int32(s.Key))) && f[1] == strconv.Itoa(s.ID) {
			return true
		}
	}
	return false
}

func TestScratchThatPostgresCannotReach(t *testing.T) {
	needRoot(t)
	p := enginetest.Plan(t)
	if err := os.Chmod(filepath.Dir(p.Scratch), 0o700); err != nil {
		t.Fatal(err)
	}
	if s, err := newEngine(t).Up(within(t), p); err == nil {
		s.Down(within(t))
		t.Error("Up is no error")
	} else if !strings.Contains(err.Error(), filepath.Dir(p.Scratch)) {
		t.Errorf("the error does not name the folder: %v", err)
	}
}
