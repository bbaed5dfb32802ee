// Package experiments turns words into experiments: it reads their YAML files
// strictly, the built-in catalogue among them.
//
// [Find] takes what a person names on the command line: built-in experiments,
// suites or files. A suite is the built-in experiments that carry its name as
// a tag; to add an experiment, add its file.
package experiments

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/fault"
	"github.com/bedlamlab/bedlam/topology"
)

//go:embed *.yaml
var files embed.FS

// maxFile is larger than any experiment a person writes, and small enough to
// read without a thought: a file above it is something else.
const maxFile = 1 << 20

// All returns the built-in experiments, by name.
func All() ([]chaos.Experiment, error) {
	names, err := fs.Glob(files, "*.yaml")
	if err != nil {
		return nil, err
	}
	var all []chaos.Experiment
	for _, name := range names {
		b, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		e, err := Parse(name, b)
		if err != nil {
			return nil, err
		}
		e.Word = e.Name
		all = append(all, e)
	}
	return all, nil
}

// Suites returns the names of the suites.
func Suites() ([]string, error) {
	all, err := All()
	var names []string
	for _, e := range all {
		names = append(names, e.Tags...)
	}
	slices.Sort(names)
	return slices.Compact(names), err
}

// Find returns the experiments that words name: each a suite, a built-in
// experiment or a path to a file (one that ends in .yaml or .yml or contains a
// slash). An experiment named twice is run once; two of one name are refused,
// because nothing of a run could tell them apart.
func Find(words []string) ([]chaos.Experiment, error) {
	all, err := All()
	if err != nil {
		return nil, err
	}
	var found []chaos.Experiment
	add := func(e chaos.Experiment) error {
		i := slices.IndexFunc(found, func(f chaos.Experiment) bool { return f.Name == e.Name })
		switch {
		case i < 0:
			found = append(found, e)
		case filepath.Clean(found[i].Word) != filepath.Clean(e.Word):
			return fmt.Errorf("two experiments are called %s: %s and %s; rename a file, or run them one by one", e.Name, found[i].Word, e.Word)
		}
		return nil
	}
	for _, word := range words {
		if strings.ContainsRune(word, filepath.Separator) || path.Ext(word) == ".yaml" || path.Ext(word) == ".yml" {
			e, err := Load(word)
			if err == nil {
				e.Word = word
				err = add(e)
			}
			if err != nil {
				return nil, err
			}
			continue
		}
		n := len(found)
		known := false
		for _, e := range all {
			if e.Name == word || slices.Contains(e.Tags, word) {
				if err := add(e); err != nil {
					return nil, err
				}
				known = true
			}
		}
		if n == len(found) && !known {
			return nil, fmt.Errorf("no experiment or suite is called %q: see bedlam list experiments, or name a .yaml file", word)
		}
	}
	if len(found) == 0 {
		return nil, errors.New("no experiment named")
	}
	return found, nil
}

// Load reads one file.
func Load(name string) (chaos.Experiment, error) {
	info, err := os.Stat(name)
	if err != nil {
		return chaos.Experiment{}, err
	}
	switch {
	case !info.Mode().IsRegular():
		return chaos.Experiment{}, fmt.Errorf("%s: not a regular file", name)
	case info.Size() == 0:
		return chaos.Experiment{}, fmt.Errorf("%s: the file is empty", name)
	case info.Size() > maxFile:
		return chaos.Experiment{}, fmt.Errorf("%s: %d bytes, an experiment has at most %d", name, info.Size(), maxFile)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return chaos.Experiment{}, err
	}
	return Parse(name, b)
}

// Parse reads an experiment. Its name is that of the file, without folder and
// ending. Errors begin with the file's name and the line.
func Parse(name string, b []byte) (chaos.Experiment, error) {
	base := path.Base(filepath.ToSlash(name))
	base = strings.TrimSuffix(base, path.Ext(base))
	if base == "" {
		return chaos.Experiment{}, fmt.Errorf("%s: the file has nothing before its ending, which would be the experiment's name", name)
	}
	if !utf8.Valid(b) || slices.Contains(b, 0) {
		return chaos.Experiment{}, fmt.Errorf("%s: not a text file", name)
	}
	d := decoder{file: name}
	e, err := d.experiment(b)
	if err != nil {
		return chaos.Experiment{}, err
	}
	e.Name = base
	return e, nil
}

// Fit reports the first step of an experiment that a topology has no place
// for: a service or instance that it has not got, an edge that does not exist.
func Fit(e chaos.Experiment, t topology.System) error {
	if err := watched(e); err != nil {
		return fmt.Errorf("%s: %w", e.Name, err)
	}
	for i, step := range e.Method {
		if err := fit(step, t); err != nil {
			return fmt.Errorf("%s: step %d (%s): %w", e.Name, i+1, step.Action, err)
		}
		for j, other := range e.Method[:i] {
			if err := apart(other, step, t); err != nil {
				return fmt.Errorf("%s: steps %d and %d are on at the same time: %w", e.Name, j+1, i+1, err)
			}
		}
	}
	if err := bounded(e.Method, t); err != nil {
		return fmt.Errorf("%s: %w", e.Name, err)
	}
	edges := map[string]string{} // with the metric that speaks of each
	for _, l := range e.Hypothesis.Limits {
		edges[l.Edge] = l.Metric
	}
	for _, m := range e.Hypothesis.Margins {
		edges[m.Edge] = m.Metric
	}
	for edge, metric := range edges {
		if edge != "" && !slices.ContainsFunc(t.Edges, func(x topology.Edge) bool { return x.Name() == edge }) {
			return fmt.Errorf("%s: the hypothesis limits %s of edge %s, which %s has not got", e.Name, metric, edge, t.Name)
		}
	}
	return nil
}

func fit(step chaos.Step, t topology.System) error {
	callers, err := chaos.Select(t, step.Selector)
	if err != nil {
		return err
	}
	if step.Target == nil {
		if slices.ContainsFunc(callers, func(in topology.Instance) bool { return in.Service == topology.Loader }) {
			return errors.New("the load generator is the witness, not a victim: name services")
		}
		r := chaos.Resolved{Action: step.Action, Args: step.Args}
		for _, in := range callers {
			r.Instances = append(r.Instances, in.Name)
		}
		return fault.Fit(r, t)
	}
	callees, err := chaos.Select(t, *step.Target)
	if err != nil {
		return err
	}
	links := chaos.LinksBetween(t, callers, callees)
	if len(links) == 0 {
		return errors.New("no edge leads from its selector to its target")
	}
	return fault.Fit(chaos.Resolved{Action: step.Action, Args: step.Args, Direction: step.Direction, Links: links}, t)
}

// apart refuses two steps that overlap in time and might, with some seed, harm
// the same instance or link: an experiment fits with every seed or with none.
func apart(a, b chaos.Step, t topology.System) error {
	ra, err := reach(a, t)
	if err != nil {
		return err
	}
	rb, err := reach(b, t)
	if err != nil || !chaos.Overlap(ra, rb) {
		return err
	}
	return chaos.Conflict(ra, rb)
}

// reach is all that a step may harm, whatever its mode chooses.
func reach(step chaos.Step, t topology.System) (chaos.Resolved, error) {
	step.Mode, step.Share = chaos.All, 100
	return chaos.Resolve(step, t, rand.New(rand.NewPCG(0, 0))) // of all there is nothing to choose
}
