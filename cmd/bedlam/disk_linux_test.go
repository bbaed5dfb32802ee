package main

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// smallDisk mounts a disk that a run fills in the middle: a minute of this load
// records about 1 MB.
func smallDisk(t *testing.T, dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a small disk")
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=320k"); err != nil {
		t.Skip("this root cannot mount a small disk: ", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
}
