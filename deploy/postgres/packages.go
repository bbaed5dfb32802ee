package postgres

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// packages takes the distribution's own packages and unpacks them into the
// cache; nothing is installed and root is not needed. The programs find their
// files relative to themselves, so the tree works wherever it stands:
//
//	packages/debian-12-amd64-postgresql-15/usr/lib/postgresql/15/bin/postgres
//	packages/debian-12-amd64-postgresql-15/usr/lib/x86_64-linux-gnu/libpq.so.5   and what else the machine lacks
func (f *finder) packages(ctx context.Context) (*Install, error) {
	parent := filepath.Join(f.cache, "packages")
	prefix := distribution() + "-" + runtime.GOARCH + "-"
	trees := func() []string { return matches(parent, prefix+"postgresql-*") }
	// A tree has its name only when it is whole, so that a cache that may only
	// be read, and not locked, serves.
	if in := f.kept(ctx, trees()); in != nil {
		return in, nil
	}
	for _, program := range []string{"apt-get", "apt-cache", "dpkg-deb", "dpkg-query"} {
		if _, err := exec.LookPath(program); err != nil {
			return nil, fmt.Errorf("this is neither Debian nor Ubuntu (no %s)", program)
		}
	}
	release, err := lock(ctx, parent, "packages", func() { f.progress("waiting for another process that fetches PostgreSQL") })
	if err != nil {
		return nil, err
	}
	defer release()
	if in := f.kept(ctx, trees()); in != nil { // by whoever held the lock
		return in, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err() // which also ends a tree's trial
	}
	for _, dir := range trees() {
		os.RemoveAll(dir) // half deleted, or its libraries have left the machine
	}
	// The machine's own package lists come first: they cost nothing. They may
	// be missing, as in most images, or name files that the mirror has
	// replaced since; then lists of our own are fetched, and removed again when
	// they have served: they are larger than what they led to.
	lists := filepath.Join(f.cache, "apt")
	for _, private := range []bool{false, true} {
		var dir string
		dir, err = f.fetch(ctx, aptIn(lists, private), filepath.Join(parent, prefix))
		if err == nil {
			os.RemoveAll(lists)
			return f.unpacked(ctx, dir)
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return nil, err // of the lists of our own; the machine's may be missing for good reasons
}

// kept returns the newest of the unpacked trees that works, or nil.
func (f *finder) kept(ctx context.Context, trees []string) *Install {
	slices.SortFunc(trees, func(a, b string) int { return major(b) - major(a) })
	for _, dir := range trees {
		if in, err := f.unpacked(ctx, dir); err == nil {
			return in
		}
	}
	return nil
}

// unpacked tries the programs in an unpacked tree.
func (f *finder) unpacked(ctx context.Context, dir string) (*Install, error) {
	bins := matches(dir, "usr/lib/postgresql/*/bin")
	if len(bins) == 0 {
		return nil, fmt.Errorf("%s holds no PostgreSQL", dir)
	}
	return f.try(ctx, bins[0], libraries(dir))
}

// libraries returns the search path for the shared libraries in an unpacked
// tree.
func libraries(dir string) string {
	var path []string
	for _, pattern := range []string{"usr/lib/*/lib*.so*", "usr/lib/lib*.so*", "lib/*/lib*.so*"} {
		for _, file := range matches(dir, pattern) {
			if at := filepath.Dir(file); !slices.Contains(path, at) {
				path = append(path, at)
			}
		}
	}
	return strings.Join(path, ":")
}

// fetch downloads and unpacks the newest PostgreSQL that a offers and returns
// the tree's folder.
func (f *finder) fetch(ctx context.Context, a apt, prefix string) (string, error) {
	if err := a.prepare(ctx, f.progress); err != nil {
		return "", err
	}
	server, err := a.newest(ctx)
	if err != nil {
		return "", err
	}
	wanted, err := a.missing(ctx, server)
	if err != nil {
		return "", err
	}
	f.progress(fmt.Sprintf("fetching %s and %d libraries from the distribution (nothing is installed)", server, len(wanted)))
	dir := prefix + server
	return dir, build(dir, func(temp string) error {
		if err := a.unpack(ctx, temp, append(wanted, server)); err != nil {
			return err
		}
		if _, err := f.unpacked(ctx, temp); err != nil {
			return fmt.Errorf("unpacked %s does not run: %w", server, err)
		}
		return nil
	})
}

// distribution names the release, such as debian-12, since one release's
// libraries are not another's.
func distribution() string {
	b, _ := os.ReadFile("/etc/os-release")
	return parseRelease(string(b))
}

func parseRelease(text string) string {
	values := map[string]string{"ID": "linux", "VERSION_ID": "0"}
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			values[key] = strings.Trim(value, `"'`)
		}
	}
	clean := func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' {
			return r
		}
		return '_' // it becomes part of a file's name
	}
	return strings.Map(clean, values["ID"]) + "-" + strings.Map(clean, values["VERSION_ID"])
}
