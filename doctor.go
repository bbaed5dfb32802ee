package bedlam

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bedlamlab/bedlam/deploy/docker"
	"github.com/bedlamlab/bedlam/deploy/guard"
	"github.com/bedlamlab/bedlam/deploy/postgres"
)

// A Fact is one thing that this machine has or has not got.
type Fact struct {
	Name   string
	OK     bool
	Needed bool // by every run
	Text   string
	Hint   string // what would give it
}

// wantMemory is twice what the whole shop, its load and a judge take.
const wantMemory = 2 << 30

// wantDisk is what a default suite records and its databases hold, and as
// much again.
const wantDisk = 2 << 30

// Doctor says what this machine can do. It starts nothing and fetches nothing.
func Doctor(ctx context.Context) []Fact {
	return []Fact{system(), memoryFact(), diskFact(), stateFact(), postgresFact(ctx), isolationFact(), dockerFact(ctx), shopFact()}
}

func system() Fact {
	f := Fact{Name: "system", Needed: true, OK: runtime.GOOS == "linux" || runtime.GOOS == "darwin",
		Text: fmt.Sprintf("%s/%s, %d CPUs", runtime.GOOS, runtime.GOARCH, runtime.NumCPU()), Hint: "Linux has every engine, macOS the engine process"}
	if runtime.NumCPU() < 2 {
		f.Text += " (with one CPU the load generator and the shop are in each other's way)"
	}
	return f
}

func memoryFact() Fact {
	m := memory()
	return Fact{Name: "memory", OK: m >= wantMemory, Text: fmt.Sprintf("%.1f GiB", float64(m)/(1<<30)), Hint: "2 GiB are comfortable"}
}

func diskFact() Fact {
	f := Fact{Name: "disk", Text: os.TempDir(), Hint: "free 2 GiB, or set TMPDIR to a larger disk"}
	var st unix.Statfs_t
	if err := unix.Statfs(os.TempDir(), &st); err != nil {
		f.Text += ": " + err.Error()
		return f
	}
	free := st.Bavail * uint64(st.Bsize)
	f.OK, f.Text = free >= wantDisk, fmt.Sprintf("%.1f GiB free in %s", float64(free)/(1<<30), os.TempDir())
	return f
}

func stateFact() Fact {
	f := Fact{Name: "state", Needed: true, Hint: "set BEDLAM_STATE to a folder that you may write"}
	state, err := guard.StateDir()
	if err != nil {
		f.Text = err.Error()
		return f
	}
	stale, err := guard.Stale(state)
	f.OK, f.Text = err == nil, state
	switch {
	case err != nil:
		f.Text += ": " + err.Error()
	case len(stale) > 0:
		f.Text += fmt.Sprintf(": %d runs were cut short; bedlam heal puts them right", len(stale))
	}
	return f
}

func postgresFact(ctx context.Context) Fact {
	f := Fact{Name: "postgresql", Hint: "the first run fetches it, without installing anything; apt-get install postgresql saves that"}
	cache, err := postgres.CacheDir()
	if err != nil {
		f.Text = err.Error()
		return f
	}
	pg, err := postgres.Find(ctx, cache, nil, postgres.System)
	if err != nil {
		f.Text = "none of the system's"
		return f
	}
	f.OK, f.Text = true, fmt.Sprintf("%s in %s, run as %s", pg.Version, pg.Bin, pg.Account.Name)
	return f
}

// Postgres returns a folder with PostgreSQL's programs that runs by itself. It
// is fetched, if this machine has none; tell, which may be nil, is told then.
func Postgres(ctx context.Context, tell func(string)) (string, error) {
	cache, err := postgres.CacheDir()
	if err != nil {
		return "", err
	}
	pg, err := postgres.Find(ctx, cache, tell)
	if err != nil {
		return "", err
	}
	return pg.Programs(ctx)
}

func dockerFact(ctx context.Context) Fact {
	f := Fact{Name: "docker", Hint: "only the engine docker needs it: without it, --engine process"}
	version, err := docker.Version(ctx)
	if err != nil {
		f.Text = strings.TrimPrefix(err.Error(), f.Name+": ")
		return f
	}
	f.OK, f.Text = true, version+", for --engine docker and its fault oom"
	return f
}

func shopFact() Fact {
	f := Fact{Name: "shop", Needed: true, Hint: "make build"}
	self, err := os.Executable()
	if err != nil {
		f.Text = err.Error()
		return f
	}
	path := filepath.Join(filepath.Dir(self), "shop")
	_, err = os.Stat(path)
	f.OK, f.Text = err == nil, path
	return f
}
