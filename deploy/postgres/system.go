package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// homes are where installers put PostgreSQL, with * for the major version.
var homes = []string{
	"/usr/lib/postgresql/*/bin",          // Debian, Ubuntu
	"/usr/pgsql-*/bin",                   // the project's own packages for Red Hat
	"/opt/homebrew/opt/postgresql@*/bin", // Homebrew on Apple silicon
	"/usr/local/opt/postgresql@*/bin",    // Homebrew on Intel
	"/usr/libexec/postgresql*",           // Alpine
	"/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
}

// system looks for installed binaries.
func (f *finder) system(ctx context.Context) (*Install, error) {
	var wrong []error
	for _, bin := range candidates(ctx) {
		b := lookBehind(bin)
		in, err := f.try(ctx, b.Bin, b.Libs)
		if err != nil && f.account.drop && b.Libs == "" {
			in, err = f.copied(ctx, bin, err)
		}
		if err == nil {
			return in, nil
		}
		wrong = append(wrong, err)
	}
	if len(wrong) == 0 {
		return nil, errors.New("none installed")
	}
	return nil, fmt.Errorf("installed, but: %w", errors.Join(wrong...))
}

// candidates returns the folders that hold a postgres and an initdb: what
// pg_config names, the usual homes with the newest version first, the PATH.
func candidates(ctx context.Context) []string {
	var all []string
	if out, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output(); err == nil {
		all = append(all, strings.TrimSpace(string(out)))
	}
	var versioned []string
	for _, pattern := range homes {
		found, _ := filepath.Glob(pattern) // the patterns are our own: well-formed
		versioned = append(versioned, found...)
	}
	slices.SortStableFunc(versioned, func(a, b string) int { return major(b) - major(a) })
	all = append(all, versioned...)
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if real, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres")); err == nil && filepath.IsAbs(dir) {
			all = append(all, filepath.Dir(real))
		}
	}
	var good []string
	for _, bin := range all {
		if !slices.Contains(good, bin) && exists(filepath.Join(bin, "postgres")) && exists(filepath.Join(bin, "initdb")) {
			good = append(good, bin)
		}
	}
	return good
}

// major reads the version out of a path such as /usr/lib/postgresql/15/bin;
// 0 if there is none.
func major(path string) int {
	digits := strings.FieldsFunc(path, func(r rune) bool { return r < '0' || r > '9' })
	if len(digits) == 0 {
		return 0
	}
	n, _ := strconv.Atoi(digits[len(digits)-1])
	return n
}
