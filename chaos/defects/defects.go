// Package defects holds resilience bugs for Bedlam to find, and changes that
// it must not mind. Each is a patch with a header that says what it does;
// services/ never contains one. [All] lists them and [Patch.Build] builds a
// shop with one, by the build overlay of the go command, so that no source
// file is touched.
//
// A header is lines of "# key: value" in front of the diff:
//
//	# kind: defect            or harmless
//	# what: payment charges again on a retry
//	# exposed-by: payment-replica-killed, bank-slow-then-cut-off
//	# check: captured-once    the check that must catch it
//	# site: payment           the service or edge at fault
//
// To add one, add its file. Nothing that judges looks at a name or a patch.
package defects

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed *.patch
var files embed.FS

// The kinds of patches.
const (
	Defect   = "defect"   // a bug: the experiments that expose it must fail and name its site
	Harmless = "harmless" // a change of behaviour that must not alter a verdict
)

// A Patch is one change to the shop's sources.
type Patch struct {
	Name      string
	Kind      string
	What      string
	ExposedBy []string // experiments; of a defect
	Checks    []string // any of which catches it; of a defect
	Sites     []string // services or edges, any of which is right; of a defect

	diff []byte
}

// All returns every patch, by name.
func All() ([]Patch, error) {
	names, err := fs.Glob(files, "*.patch")
	if err != nil {
		return nil, err
	}
	var all []Patch
	for _, name := range names {
		b, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		p, err := parse(strings.TrimSuffix(name, ".patch"), b)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

func parse(name string, b []byte) (Patch, error) {
	p := Patch{Name: name}
	fields := map[string]func(string){
		"kind":       func(v string) { p.Kind = v },
		"what":       func(v string) { p.What = v },
		"exposed-by": func(v string) { p.ExposedBy = words(v) },
		"check":      func(v string) { p.Checks = words(v) },
		"site":       func(v string) { p.Sites = words(v) },
	}
	rest := b
	for bytes.HasPrefix(rest, []byte("# ")) {
		line, after, _ := bytes.Cut(rest, []byte("\n"))
		key, value, ok := strings.Cut(strings.TrimPrefix(string(line), "# "), ": ")
		set, known := fields[key]
		if !ok || !known {
			return p, fmt.Errorf("%s: header line %q is none of kind, what, exposed-by, check, site", name, line)
		}
		set(strings.TrimSpace(value))
		rest = after
	}
	p.diff = rest
	switch {
	case p.Kind != Defect && p.Kind != Harmless:
		return p, fmt.Errorf("%s: kind is %q, want %s or %s", name, p.Kind, Defect, Harmless)
	case p.What == "":
		return p, fmt.Errorf("%s: it does not say what it does", name)
	case p.Kind == Defect && (len(p.ExposedBy) == 0 || len(p.Checks) == 0 || len(p.Sites) == 0):
		return p, fmt.Errorf("%s: a defect says exposed-by, check and site", name)
	case len(p.targets()) == 0:
		return p, fmt.Errorf("%s: the diff changes no file", name)
	}
	for _, t := range p.targets() {
		if !strings.HasPrefix(t, "services/") {
			return p, fmt.Errorf("%s: it changes %s, which is not the shop's", name, t)
		}
	}
	return p, nil
}

func words(v string) []string {
	var out []string
	for _, w := range strings.Split(v, ",") {
		if w = strings.TrimSpace(w); w != "" {
			out = append(out, w)
		}
	}
	return out
}

// targets are the files that the diff changes, below the module's root.
func (p Patch) targets() []string {
	var out []string
	for _, line := range strings.Split(string(p.diff), "\n") {
		if name, ok := strings.CutPrefix(line, "+++ b/"); ok {
			out = append(out, strings.TrimSpace(name))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Build builds the shop of the module in root with the patch applied, to out.
// The error says whether the patch does not apply or the result does not
// compile.
func (p Patch) Build(ctx context.Context, root, out string) error {
	dir, err := os.MkdirTemp("", "bedlam-patch-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	overlay, err := p.overlay(ctx, root, dir)
	if err != nil {
		return fmt.Errorf("patch %s: %w", p.Name, err)
	}
	c := exec.CommandContext(ctx, "go", "build", "-trimpath", "-overlay", overlay, "-o", out, "./cmd/shop")
	c.Dir = root
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("patch %s: building the shop: %w: %s", p.Name, err, bytes.TrimSpace(text))
	}
	return nil
}

// overlay writes the patched copies of the files below dir, and the file that
// tells the go command of them.
func (p Patch) overlay(ctx context.Context, root, dir string) (string, error) {
	replace := map[string]string{}
	for _, t := range p.targets() {
		from, to := filepath.Join(root, t), filepath.Join(dir, t)
		b, err := os.ReadFile(from)
		if err != nil {
			return "", err
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return "", err
		}
		if err := os.WriteFile(to, b, 0o644); err != nil {
			return "", err
		}
		replace[from] = to
	}
	// git apply works outside of a repository, and git is what the sources
	// came with.
	c := exec.CommandContext(ctx, "git", "apply", "-p1", "--whitespace=nowarn", "-")
	c.Dir, c.Stdin = dir, bytes.NewReader(p.diff)
	c.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+filepath.Dir(dir))
	if text, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("it does not apply: %w: %s", err, bytes.TrimSpace(text))
	}
	changed := false
	for from, to := range replace {
		a, errA := os.ReadFile(from)
		b, errB := os.ReadFile(to)
		if err := errors.Join(errA, errB); err != nil {
			return "", err
		}
		changed = changed || !bytes.Equal(a, b)
	}
	if !changed {
		return "", errors.New("it applied and changed nothing")
	}
	b, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "overlay.json")
	return file, os.WriteFile(file, b, 0o644)
}
