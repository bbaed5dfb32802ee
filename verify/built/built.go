// Package built gives tests the programs as they are now. Tests that start
// whole shops call [Programs] first: it skips, and says why, where no shop can
// run. [Folder] is for what a shop's databases must be able to reach.
package built

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/bedlamlab/bedlam/deploy/postgres"
)

var (
	once sync.Once
	dir  string
	out  []byte
	err  error
)

// sources are the folders below the module's root that the programs are made of.
var sources = []string{"chaos", "cmd", "deploy", "loadgen", "observability", "services", "topology", "verify"}

// Programs returns a folder with the programs bedlam and shop, built from the
// sources of the module with the given root, once for a test program; it is
// removed by [Remove]. It skips the test with -short and where the system has
// no PostgreSQL.
func Programs(t testing.TB, root string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("it brings whole shops up: not with -short")
	}
	cache, cerr := postgres.CacheDir()
	if cerr != nil {
		t.Fatal(cerr)
	}
	if _, err := postgres.Find(t.Context(), cache, nil, postgres.System); err != nil {
		t.Skip("this machine has no PostgreSQL of its own: ", err)
	}
	// Another process builds, so the test cache would not know what the result
	// hangs on, did this one not look at the files.
	for _, name := range sources {
		err := filepath.WalkDir(filepath.Join(root, name), func(path string, _ fs.DirEntry, err error) error {
			if err == nil {
				_, err = os.Stat(path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	once.Do(func() {
		if dir, err = os.MkdirTemp("", "bedlam-built-*"); err != nil {
			return
		}
		build := exec.Command("go", "build", "-o", dir, "./cmd/bedlam", "./cmd/shop")
		build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0") // static, as releases are: an image holds them, too
		if out, err = build.CombinedOutput(); err == nil {
			err = os.Chmod(dir, 0o755)
		}
	})
	if err != nil {
		t.Fatalf("building the programs: %v: %s", err, out)
	}
	return dir
}

// Remove removes what Programs built; call it at the end of TestMain.
func Remove() { os.RemoveAll(dir) }

// Folder returns a new folder that every account can enter, which t.TempDir
// cannot be for a server that root must not run; it is removed after the test.
func Folder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "bedlam-test-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}
