package process_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/bedlamlab/bedlam/deploy/enginetest"
	"github.com/bedlamlab/bedlam/deploy/process"
)

// TestSweepLeavesPeopleAlone has somebody look around in a scratch folder with
// a terminal, and a stray process of nobody's stand beside them.
func TestSweepLeavesPeopleAlone(t *testing.T) {
	p := enginetest.Small(t)
	s, _ := up(t, p)
	if err := s.Down(within(t)); err != nil {
		t.Fatal(err)
	}
	person := stand(t, p.Scratch, true)
	stray := stand(t, p.Scratch, false)
	if err := newEngine(t).Sweep(within(t), p.Run, p.Scratch); err != nil {
		t.Fatal(err)
	}
	if err := stray.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("the stray process ended with %v, want it killed", err)
	}
	if err := person.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the person's shell is gone: %v", err)
	}
	if _, err := os.Stat(p.Scratch); !os.IsNotExist(err) {
		t.Errorf("the folder is left (%v)", err)
	}
}

// stand starts a process that stands in dir, with a terminal or without.
func stand(t *testing.T, dir string, terminal bool) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/bin/sleep", "3600")
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if terminal {
		master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
		if err != nil {
			t.Skip("no terminal to be had: ", err)
		}
		t.Cleanup(func() { master.Close() })
		n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
		if err == nil {
			err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
		}
		if err != nil {
			t.Skip("no terminal to be had: ", err)
		}
		slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
		if err != nil {
			t.Skip("no terminal to be had: ", err)
		}
		defer slave.Close()
		cmd.Stdin, cmd.SysProcAttr.Setctty = slave, true
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd
}

// TestSweepRefuses is given folders that are not a run's.
func TestSweepRefuses(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"letters/mine":        "text",
		"foreign/system.json": `{"schema":"somebody.else/1"}`,
		"torn/system.json":    `{"schema":"bed`,
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := newEngine(t).Sweep(within(t), "", filepath.Dir(path)); err == nil {
			t.Errorf("%s: Sweep is no error", name)
		}
		if _, err := os.Stat(path); err != nil {
			t.Errorf("%s: it is gone: %v", name, err)
		}
	}
	if err := newEngine(t).Sweep(within(t), "", "/"); err == nil {
		t.Error("Sweep of / is no error")
	}
	// An owner that died while it wrote the mark leaves this.
	half := filepath.Join(dir, "half[*") // as a person may call a folder
	if err := os.MkdirAll(half, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(half, ".new-123"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := newEngine(t).Sweep(within(t), "", half); err != nil {
		t.Error(err)
	}
}

// TestBySymbolicLink reaches the scratch folder by another name.
func TestBySymbolicLink(t *testing.T) {
	p := enginetest.Small(t)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(p.Scratch, link); err != nil {
		t.Fatal(err)
	}
	p.Scratch = link
	s, _ := up(t, p)
	pid := inspect(t, s, "back-1").PID
	other, err := newEngine(t).Attach(within(t), link)
	if err != nil {
		t.Fatal(err)
	}
	if st := inspect(t, other.(whole), "back-1"); st.PID != pid || !st.Ready {
		t.Errorf("attached by its link, it is %+v, want process %d", st, pid)
	}
}

// TestNothingOfOursStays looks at this very process after a Down: no zombie, no
// goroutine.
func TestNothingOfOursStays(t *testing.T) {
	p := enginetest.Small(t)
	s, err := process.New(process.Options{}).Up(within(t), p)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.(whole).Kill(within(t), "back-1"); err != nil {
		t.Fatal(err)
	}
	if err := s.Down(within(t)); err != nil {
		t.Fatal(err)
	}
	goleak.VerifyNone(t)
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		if pid, parent, state, err := process.ParseStat(b); err == nil && parent == os.Getpid() && state == 'Z' {
			t.Errorf("process %d is a zombie of ours", pid)
		}
	}
}
