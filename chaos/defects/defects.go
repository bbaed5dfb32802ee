// Package defects holds resilience bugs for Bedlam to find, and changes that
// it must not mind. Each is a patch with a header that says what it does;
// services/ never contains one. [All] lists them and [Patch.Build] builds a
// shop with one, by the build overlay of the go command, so that no source
// file is touched.
//
// A header is lines of "# key: value" in front of the diff:
//
//	# kind: defect            or harmless, or decoy
//	# id: B11                 its number in the catalogue; of a defect and of a decoy
//	# what: payment charges again on a retry
//	# exposed-by: bank-slow-then-cut-off
//	# check: captured-once    the check that must catch it, or one of several
//	# site: payment           the service or edge at fault, or one of several
//	# sample: yes             of a defect: one of the few that each release is tried with
//
// A decoy looks like a bug to who looks carelessly, and is none: it is run
// through experiments (exposed-by, too) in which it must not be reported.
//
// To add one, add its file. Nothing that judges looks at a name or a patch.
package defects

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

//go:embed *.patch
var files embed.FS

// The kinds of patches.
const (
	Defect   = "defect"   // a bug: the experiments that expose it must fail and name its site
	Harmless = "harmless" // a change of behaviour that must not alter a verdict
	Decoy    = "decoy"    // a behaviour under fault that looks wrong and is right
)

// A Patch is one change to the shop's sources.
type Patch struct {
	Name      string
	Kind      string
	ID        string // its number in the catalogue, as B11 or D03
	What      string
	ExposedBy []string // experiments; of a defect or a decoy
	Checks    []string // any of which catches it; of a defect
	Sites     []string // services or edges, any of which is right; of a defect
	Sample    bool     // a defect that stands for its like where time is short

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
		"id":         func(v string) { p.ID = v },
		"what":       func(v string) { p.What = v },
		"exposed-by": func(v string) { p.ExposedBy = words(v) },
		"check":      func(v string) { p.Checks = words(v) },
		"site":       func(v string) { p.Sites = words(v) },
		"sample":     func(v string) { p.Sample = v == "yes" },
	}
	rest := b
	for bytes.HasPrefix(rest, []byte("# ")) {
		line, after, _ := bytes.Cut(rest, []byte("\n"))
		key, value, ok := strings.Cut(strings.TrimPrefix(string(line), "# "), ": ")
		set, known := fields[key]
		if !ok || !known {
			return p, fmt.Errorf("%s: header line %q is none of kind, id, what, exposed-by, check, site, sample", name, line)
		}
		set(strings.TrimSpace(value))
		rest = after
	}
	p.diff = rest
	switch {
	case p.Kind != Defect && p.Kind != Harmless && p.Kind != Decoy:
		return p, fmt.Errorf("%s: kind is %q, want %s, %s or %s", name, p.Kind, Defect, Harmless, Decoy)
	case p.What == "":
		return p, fmt.Errorf("%s: it does not say what it does", name)
	case p.Kind == Defect && (p.ID == "" || len(p.ExposedBy) == 0 || len(p.Checks) == 0 || len(p.Sites) == 0):
		return p, fmt.Errorf("%s: a defect says id, exposed-by, check and site", name)
	case p.Kind == Decoy && (p.ID == "" || len(p.ExposedBy) == 0):
		return p, fmt.Errorf("%s: a decoy says id and exposed-by", name)
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
