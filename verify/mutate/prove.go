package mutate

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bedlamlab/bedlam/verify/results"
)

// A Fate is what became of a mutant.
type Fate string

// The fates.
const (
	Killed    Fate = "killed"    // a test failed, or never ended
	Survived  Fate = "survived"  // all passed
	Stillborn Fate = "stillborn" // it does not compile: it counts for nothing
)

// A Proof is what became of one mutant.
type Proof struct {
	Sources string    `json:"sources"` // of the package and its tests, as a hash
	Date    time.Time `json:"date"`
	Mutant
	Fate    Fate    `json:"fate"`
	Seconds float64 `json:"seconds"`
}

// Options say what to try.
type Options struct {
	Root    string // the module's folder
	Package string // a folder below it
	Results string // the file that proofs are appended to, and read from
	Every   int    // try each so-many-th mutant only; 1, all
	Beside  int    // how many at a time; 1
	Tell    func(string)
}

// patience is far above what the tests of a package of opinions take: a mutant
// that is not done then is in a loop.
const patience = "5m"

// Prove tries the mutants of a package that were not tried with its sources as
// they are, and returns what became of all. An error means that it could not be
// told, as when the tests fail without any mutant.
func Prove(ctx context.Context, o Options) ([]Proof, error) {
	folder := filepath.Join(o.Root, o.Package)
	all, err := Of(folder)
	if err != nil {
		return nil, err
	}
	sources, err := hash(folder)
	if err != nil {
		return nil, err
	}
	known, err := results.Read(o.Results, func(p Proof) bool { return p.Sources == sources })
	if err != nil {
		return nil, err
	}
	fates := map[string]Proof{}
	for _, p := range known {
		fates[p.String()] = p
	}
	var wanted, left []Mutant
	for i, m := range all {
		if i%max(o.Every, 1) != 0 {
			continue
		}
		wanted = append(wanted, m)
		if _, known := fates[m.String()]; !known {
			left = append(left, m)
		}
	}
	scratch, err := os.MkdirTemp("", "bedlam-mutate-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(scratch)
	if fate, text, err := o.test(ctx, scratch, nil); err != nil {
		return nil, err
	} else if fate != Survived {
		return nil, fmt.Errorf("the tests of %s fail without any mutant:\n%s", o.Package, text)
	}
	proofs, ended := make(chan Proof), make(chan error, 1)
	tries, within := errgroup.WithContext(ctx)
	tries.SetLimit(max(o.Beside, 1))
	go func() {
		defer close(proofs)
		for _, m := range left {
			tries.Go(func() error {
				began := time.Now()
				fate, err := o.try(within, scratch, folder, m)
				if err == nil {
					proofs <- Proof{sources, began.UTC(), m, fate, time.Since(began).Seconds()}
				}
				return err
			})
		}
		ended <- tries.Wait()
	}()
	var failed error
	for p := range proofs {
		fates[p.String()] = p
		failed = errors.Join(failed, results.Append(o.Results, p))
		o.Tell(fmt.Sprintf("%-9s %s", p.Fate, p.Mutant))
	}
	if err := errors.Join(<-ended, failed); err != nil {
		return nil, err
	}
	var out []Proof
	for _, m := range wanted {
		p := fates[m.String()]
		out = append(out, p)
	}
	return out, nil
}

// try tests the package with one mutant in it.
func (o Options) try(ctx context.Context, scratch, folder string, m Mutant) (Fate, error) {
	b, err := m.apply(folder)
	if err != nil {
		return "", err
	}
	own, err := os.MkdirTemp(scratch, "")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(own)
	changed := filepath.Join(own, m.File)
	if err := os.WriteFile(changed, b, 0o644); err != nil {
		return "", err
	}
	at, err := filepath.Abs(filepath.Join(folder, m.File))
	if err != nil {
		return "", err
	}
	fate, _, err := o.test(ctx, own, map[string]string{at: changed})
	return fate, err
}

// test runs the package's tests with some files in place of others.
func (o Options) test(ctx context.Context, scratch string, replace map[string]string) (Fate, string, error) {
	b, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", "", err
	}
	overlay := filepath.Join(scratch, "overlay.json")
	if err := os.WriteFile(overlay, b, 0o644); err != nil {
		return "", "", err
	}
	binary := filepath.Join(scratch, "tests")
	build := o.command(ctx, o.Root, "go", "test", "-c", "-vet=off", "-overlay", overlay, "-o", binary, "./"+filepath.ToSlash(o.Package))
	if out, err := build.CombinedOutput(); err != nil {
		if ctx.Err() != nil {
			return "", "", context.Cause(ctx)
		}
		return Stillborn, string(out), nil
	}
	run := o.command(ctx, filepath.Join(o.Root, o.Package), binary, "-test.failfast", "-test.timeout="+patience)
	out, err := run.CombinedOutput()
	switch {
	case ctx.Err() != nil:
		return "", "", context.Cause(ctx)
	case errors.As(err, new(*exec.ExitError)):
		return Killed, string(out), nil
	case err != nil:
		return "", "", err
	}
	return Survived, string(out), nil
}

func (o Options) command(ctx context.Context, dir, name string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, name, args...)
	c.Dir = dir
	c.WaitDelay = time.Second // for who inherited its output
	return c
}

// hash names the sources of a package with its tests and their data.
func hash(folder string) (string, error) {
	h := sha256.New()
	err := filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		fmt.Fprintln(h, strings.TrimPrefix(path, folder))
		_, err = io.Copy(h, f)
		return err
	})
	return fmt.Sprintf("%x", h.Sum(nil))[:16], err
}
