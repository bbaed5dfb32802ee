package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// CacheDir returns the folder that keeps what is slow to make: unpacked
// binaries and initdb's templates. It is $BEDLAM_CACHE, else the per-user
// cache folder; for root, a system folder that the server's account can read,
// since root's home is closed to it. The folder is created if it is missing.
func CacheDir() (string, error) {
	dir := os.Getenv("BEDLAM_CACHE")
	switch {
	case dir != "":
		abs, err := filepath.Abs(dir)
		if err != nil {
			return "", fmt.Errorf("cache folder $BEDLAM_CACHE: %w", err)
		}
		dir = abs
	case os.Getuid() == 0 && runtime.GOOS == "darwin":
		dir = "/Library/Caches/bedlam"
	case os.Getuid() == 0:
		dir = "/var/cache/bedlam"
	default:
		base, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("no cache folder (set BEDLAM_CACHE to one): %w", err)
		}
		dir = filepath.Join(base, "bedlam")
	}
	if err := public(dir); err != nil {
		return "", fmt.Errorf("cache folder (set BEDLAM_CACHE to another): %w", err)
	}
	return dir, nil
}

// public creates a folder, and its parents, that others may read, whatever
// root's umask says: the server's account has to. Those that are there already
// are left as they are.
func public(dir string) error {
	if exists(dir) {
		return nil
	}
	if err := public(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return os.Chmod(dir, 0o755)
}

// lock holds dir's lock file called name, so that two processes never make the
// same cached thing at once. It waits for the other one until ctx is done;
// waiting, if not nil, is called once when it has to.
func lock(ctx context.Context, dir, name string, waiting func()) (release func(), err error) {
	if err := public(dir); err != nil {
		return nil, fmt.Errorf("cache folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, name+".lock"), os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return nil, fmt.Errorf("cache lock: %w", err)
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil // closing gives the lock up
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			f.Close()
			return nil, fmt.Errorf("locking %s: %w", f.Name(), err)
		}
		if waiting != nil {
			waiting()
			waiting = nil
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("waiting for another process that holds %s: %w", f.Name(), ctx.Err())
		case <-time.After(50 * time.Millisecond): // flock cannot be waited for together with ctx
		}
	}
}

// matches returns the paths below dir that match pattern; none if dir cannot be
// read. What dir itself is called does not matter, unlike to [filepath.Glob].
func matches(dir, pattern string) []string {
	found, _ := fs.Glob(os.DirFS(dir), pattern) // the patterns are our own: well-formed
	for i := range found {
		found[i] = filepath.Join(dir, found[i])
	}
	return found
}

// another is what helps where the cache cannot be written.
const another = "set BEDLAM_CACHE to a folder that you may write"

// readOnly reports whether err says that we may not write there.
func readOnly(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS)
}

// build makes the folder dir out of nothing: fill gets an empty folder beside
// it, which takes dir's name only when fill is done. What is there already is
// left alone. The caller holds the lock: what an earlier maker left is scrap.
func build(dir string, fill func(temp string) error) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	for _, temp := range matches(filepath.Dir(dir), "."+filepath.Base(dir)+"-*") {
		if err := scrap(temp); err != nil {
			return fmt.Errorf("cache folder: %w", err)
		}
	}
	temp, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+"-")
	if err != nil {
		return fmt.Errorf("cache folder: %w", err)
	}
	if err := os.Chmod(temp, 0o755); err != nil {
		os.RemoveAll(temp)
		return fmt.Errorf("cache folder: %w", err)
	}
	if err := fill(temp); err != nil {
		return errors.Join(err, scrap(temp))
	}
	if err := os.Rename(temp, dir); err != nil {
		os.RemoveAll(temp)
		return fmt.Errorf("cache folder: %w", err)
	}
	return nil
}
