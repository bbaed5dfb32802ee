package postgres

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	embedded "github.com/fergusstrange/embedded-postgres"
)

// release is the version that is downloaded: the newest that the library
// names.
const release = embedded.V18

// download fetches the binaries that embedded-postgres publishes for many
// systems.
func (f *finder) download(ctx context.Context) (*Install, error) {
	parent := filepath.Join(f.cache, "download")
	dir := filepath.Join(parent, "postgresql-"+string(release))
	if in, err := f.downloaded(ctx, dir); err == nil { // also from a cache that may only be read
		return in, nil
	}
	held, err := lock(ctx, parent, "download", func() { f.progress("waiting for another process that downloads PostgreSQL") })
	if err != nil {
		return nil, err
	}
	defer held()
	if in, err := f.downloaded(ctx, dir); err == nil { // by whoever held the lock
		return in, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err() // which also ends the trial of what is there
	}
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	f.progress("downloading PostgreSQL " + string(release))
	err = build(dir, func(temp string) error {
		if err := f.pull(ctx, temp); err != nil {
			return err
		}
		_, err := f.downloaded(ctx, temp)
		return err
	})
	if err != nil {
		return nil, err
	}
	return f.downloaded(ctx, dir)
}

func (f *finder) downloaded(ctx context.Context, dir string) (*Install, error) {
	return f.try(ctx, filepath.Join(dir, "bin"), filepath.Join(dir, "lib"))
}

// pull has the library download and unpack into dir. The library offers that
// only as the first part of starting a server, so it is given a data folder
// that no server starts in: it believes the folder to be initialised, and its
// start ends right after the unpacking. What is in dir then decides.
func (f *finder) pull(ctx context.Context, dir string) error {
	scratch, err := os.MkdirTemp(dir, "scratch-")
	if err != nil {
		return err
	}
	data := filepath.Join(scratch, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(data, "PG_VERSION"), []byte(release), 0o600); err != nil {
		return err
	}
	config := embedded.DefaultConfig().Version(release).Port(0).Logger(io.Discard).
		CachePath(scratch).RuntimePath(filepath.Join(scratch, "run")).DataPath(data).BinariesPath(dir)
	if f.mirror != "" {
		config = config.BinaryRepositoryURL(f.mirror)
	}
	done := make(chan error, 1)
	go func() {
		database := embedded.NewDatabase(config)
		err := database.Start()
		removeLogs()
		runtime.KeepAlive(database) // until here it holds its log open
		done <- err
	}()
	select {
	case err = <-done:
	case <-ctx.Done():
		return ctx.Err() // the library takes no context; its download is left to end by itself
	}
	if exists(filepath.Join(dir, "bin", "postgres")) {
		err = nil // it ended where it should
	}
	if err != nil {
		return fmt.Errorf("embedded-postgres: %w", err)
	}
	return os.RemoveAll(scratch)
}

// removeLogs removes the log that the library has left open in the folder for
// temporary files, which it never does; those of other processes stay.
func removeLogs() {
	ours := matches("/dev/fd", "*")
	for _, log := range matches(os.TempDir(), "embedded_postgres_log*") {
		info, err := os.Lstat(log)
		if err != nil {
			continue
		}
		if slices.ContainsFunc(ours, func(fd string) bool {
			open, err := os.Stat(fd)
			return err == nil && os.SameFile(open, info)
		}) {
			os.Remove(log)
		}
	}
}
