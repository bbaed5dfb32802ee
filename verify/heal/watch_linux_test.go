package heal_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bedlamlab/bedlam/verify/heal"
)

// A file system that is left mounted is seen.
func TestTheProofSeesMounts(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	at := filepath.Join(dir, "left")
	if err := os.Mkdir(at, 0o700); err != nil {
		t.Fatal(err)
	}
	left, err := heal.Left(dir)
	if err != nil || len(left) > 0 {
		t.Fatalf("on an empty ground it sees %q, %v", left, err)
	}
	if err := unix.Mount("bedlam-test", at, "tmpfs", 0, "size=64k"); err != nil {
		t.Skip("this test mounts something: ", err)
	}
	left, err = heal.Left(dir)
	if e := unix.Unmount(at, unix.MNT_DETACH); e != nil {
		t.Error(e)
	}
	if err != nil || !slices.Contains(left, "mounted at "+at) {
		t.Errorf("it sees %q, %v", left, err)
	}
}
