package docker

import (
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestSocketWithoutPermission(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can become somebody else for a moment")
	}
	host := pretend(t, "1.41", healthy(t))
	path := strings.TrimPrefix(host, "unix://")
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	// The file system's idea of who we are is the thread's own.
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with us
		if _, err := unix.SetfsuidRetUid(12345); err != nil {
			done <- err
			return
		}
		done <- reach(t.Context(), path)
	}()
	if err := <-done; err == nil || !strings.Contains(err.Error(), "may not use "+path) || !strings.Contains(err.Error(), "usermod") {
		t.Errorf("without permission it says %v", err)
	}
}
