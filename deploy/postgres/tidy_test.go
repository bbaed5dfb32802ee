package postgres_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/bedlamlab/bedlam/deploy/postgres"
)

// half makes what a maker that was killed leaves in a cache: a folder that has
// not got its name yet, with a process at work in it, and the lock's file.
func half(t *testing.T, cache string) (dir string, lock *os.File, worker *exec.Cmd) {
	t.Helper()
	parent := filepath.Join(cache, "templates")
	dir = filepath.Join(parent, ".15.4-u101-2-12345")
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o755); err != nil {
		t.Fatal(err)
	}
	lock, err := os.Create(filepath.Join(parent, "15.4-u101-2.lock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lock.Close() })
	worker = exec.Command("sleep", "infinity")
	worker.Dir = filepath.Join(dir, "data")
	if err := worker.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { worker.Process.Kill(); worker.Wait() })
	return dir, lock, worker
}

func TestTidyRemovesWhatNobodyMakesAnyMore(t *testing.T) {
	if _, err := os.Stat("/proc/self/cwd"); err != nil {
		t.Skip("without /proc nobody says where a process stands")
	}
	cache := t.TempDir()
	dir, _, worker := half(t, cache)
	whole := filepath.Join(cache, "templates", "15.4-u101-2")
	if err := os.Mkdir(whole, 0o755); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- worker.Wait() }()
	for range 2 { // the second time there is nothing to do
		if err := postgres.Tidy(cache); err != nil {
			t.Fatal(err)
		}
	}
	<-ended
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", dir, err)
	}
	if _, err := os.Stat(whole); err != nil {
		t.Errorf("what is whole was removed: %v", err)
	}
}

func TestTidyLeavesAMakerAlone(t *testing.T) {
	cache := t.TempDir()
	dir, lock, worker := half(t, cache)
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if err := postgres.Tidy(cache); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Error(err)
	}
	if err := worker.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the maker's process: %v", err)
	}
}
