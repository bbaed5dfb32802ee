package bedlamtest

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bedlamlab/bedlam/deploy/postgres"
)

// module is where the programs' sources are.
const module = "github.com/bedlamlab/bedlam"

// programs returns the paths of the programs bedlam and shop, building them if
// nobody says where they are; or ends the test.
func programs(t testing.TB, folder string) (bedlam, shop string) {
	t.Helper()
	if folder == "" {
		folder = os.Getenv("BEDLAM_PROGRAMS")
	}
	if folder == "" {
		if _, err := exec.LookPath("go"); err != nil {
			cannot(t, "there is no go command to build the programs with (BEDLAM_PROGRAMS may name a folder that has them): %v", err)
		}
		var err error
		if folder, err = build(t.Context()); err != nil {
			t.Fatalf("building the programs: %v", err)
		}
	}
	folder, err := filepath.Abs(folder)
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(folder, "bedlam"), filepath.Join(folder, "shop")
}

// build builds the programs into a folder of the cache, where go leaves alone
// what is up to date, and returns that.
func build(ctx context.Context) (string, error) {
	root, err := source(ctx)
	if err != nil {
		return "", err
	}
	if err := watch(root); err != nil {
		return "", err
	}
	cache, err := postgres.CacheDir()
	if err != nil {
		return "", err
	}
	// A folder for each place of sources, so that two versions do not replace
	// one another's programs.
	key := sha256.Sum256([]byte(root))
	folder := filepath.Join(cache, fmt.Sprintf("programs-%x", key[:6]))
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(folder)
	if err != nil {
		return "", err
	}
	defer unlock()
	// Static, since a container's image has nothing beside them. The sources
	// build as they were released: by their own go.mod, and no workspace's.
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-trimpath", "-mod=readonly", "-o", folder, "./cmd/bedlam", "./cmd/shop")
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS="+flags())
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("in %s: %w: %s", root, err, out)
	}
	return folder, nil
}

// flags are the user's own, but for those that we set, and those that want cgo.
func flags() string {
	var kept []string
	for _, f := range strings.Fields(os.Getenv("GOFLAGS")) {
		name, _, _ := strings.Cut(strings.TrimLeft(f, "-"), "=")
		if !slices.Contains([]string{"mod", "race", "msan", "asan"}, name) {
			kept = append(kept, f)
		}
	}
	return strings.Join(kept, " ")
}

// source returns the folder of the module that this very test was built with.
func source(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-json", module).Output()
	if err != nil {
		return "", fmt.Errorf("looking for the sources of %s: %w", module, explained(err))
	}
	var m struct{ Dir string }
	if err := json.Unmarshal(out, &m); err != nil {
		return "", fmt.Errorf("looking for the sources of %s: %w", module, err)
	}
	if m.Dir == "" {
		return "", fmt.Errorf("the sources of %s are not all here (are they vendored?): build its programs by yourself, and name their folder in BEDLAM_PROGRAMS", module)
	}
	return m.Dir, nil
}

// explained adds what a program said to the error of its run.
func explained(err error) error {
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(exit.Stderr)))
	}
	return err
}

// watch looks at every source. Another process builds, so go test would not
// know what the result hangs on, did this one not look at the files.
func watch(root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "bin" || d.Name() == "runs") {
			return filepath.SkipDir
		}
		if filepath.Ext(path) == ".go" {
			_, err = os.Stat(path)
		}
		return err
	})
}

// lock keeps other test programs from building the same at once.
func lock(folder string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(folder, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for {
		if err = unix.Flock(int(f.Fd()), unix.LOCK_EX); err != unix.EINTR {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("locking %s: %w", f.Name(), err)
	}
	return func() { f.Close() }, nil // which gives the lock up
}
