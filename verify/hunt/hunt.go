// Package hunt scores Bedlam itself: how many seeded bugs it finds, in how many
// experiments, and how often it cries wolf. Each bug of the catalogue (see
// chaos/defects) is built into the shop, and the shop is put through the
// experiments that expose it; it counts as found when the right check accuses
// the right service or edge. Decoys, and the shop as it is, go through the same
// experiments, and every accusation of them is a false alarm.
//
// [Run] hunts, [Sum] adds up what came of it.
package hunt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/bedlamlab/bedlam"
	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/defects"
	"github.com/bedlamlab/bedlam/verify/results"
)

// Options say what to hunt for.
type Options struct {
	Root    string   // of the module, whose sources are built
	Repeat  int      // repetitions, each with a seed of its own: 1, 2, …; at least 1
	Names   []string // patches, by name or number, or clean; empty: every defect and decoy, and clean
	Rate    float64  // journeys a second; 0: the usual rate
	Results string   // file that results are appended to; what it has of this commit is not done again
	// Unharmed holds that no defect shows without its fault: each goes through
	// an experiment that harms nobody, and must not be accused.
	Unharmed bool
	Tell     func(string)

	run   func(context.Context, bedlam.Options) (chaos.Result, error) // nil: a real one
	build func(ctx context.Context, p defects.Patch, root, out string) error
}

const (
	// clean is the shop as it is.
	clean = "clean"
	// unharmed is a defect without its fault.
	unharmed = "unharmed"
	// gentle is the experiment that harms nobody.
	gentle = "catalog-hardly-slower"
	// again is how often an INCONCLUSIVE run is done again, openly.
	again = 2
)

// subject is what is put through experiments.
type subject struct {
	defects.Patch
	trials [][]string // the experiments of each run
}

// Run hunts for every subject in each repetition, repetition by repetition, and
// appends a [Proof] of each run to the results. It returns those of this
// commit. It can be cut short and goes on where it was.
func Run(ctx context.Context, o Options) ([]Proof, error) {
	if o.Repeat < 1 {
		return nil, fmt.Errorf("%w: %d repetitions: want at least 1", bedlam.ErrUsage, o.Repeat)
	}
	if o.run == nil {
		o.run = func(ctx context.Context, b bedlam.Options) (chaos.Result, error) {
			out, err := bedlam.Run(ctx, b)
			return out.Result, err
		}
	}
	if o.build == nil {
		o.build = func(ctx context.Context, p defects.Patch, root, out string) error { return p.Build(ctx, root, out) }
	}
	all, err := defects.All()
	if err != nil {
		return nil, err
	}
	subjects, err := o.subjects(all)
	if err != nil {
		return nil, err
	}
	rev, err := results.Revision(ctx, o.Root)
	if err != nil {
		return nil, err
	}
	done, err := results.Read(o.Results, func(p Proof) bool { return p.Commit == rev })
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "bedlam-hunt-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	h := &hunt{Options: o, commit: rev, dir: dir, done: done}
	for seed := uint64(1); seed <= uint64(o.Repeat); seed++ {
		for _, s := range subjects {
			if err := h.one(ctx, s, seed); err != nil {
				return h.done, err
			}
		}
	}
	return h.done, nil
}

// subjects are those that were asked for, by number.
func (o Options) subjects(all []defects.Patch) ([]subject, error) {
	var out []subject
	var words []string // all that expose anything, for the shop as it is
	for _, p := range all {
		if p.Kind == defects.Harmless || o.Unharmed && p.Kind != defects.Defect {
			continue
		}
		wanted := len(o.Names) == 0 || slices.Contains(o.Names, p.Name) || slices.Contains(o.Names, p.ID)
		if len(o.Names) == 0 || slices.Contains(o.Names, clean) || wanted {
			words = append(words, p.ExposedBy...)
		}
		if !wanted {
			continue
		}
		s := subject{Patch: p}
		for _, word := range p.ExposedBy {
			s.trials = append(s.trials, []string{word})
		}
		if o.Unharmed {
			s.Kind, s.trials = unharmed, [][]string{{gentle}}
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b subject) int { return cmp.Compare(a.ID, b.ID) })
	if !o.Unharmed && (len(o.Names) == 0 || slices.Contains(o.Names, clean)) {
		slices.Sort(words)
		out = append(out, subject{Patch: defects.Patch{Name: clean, Kind: clean}, trials: [][]string{slices.Compact(words)}})
	}
	for _, name := range o.Names {
		if !slices.ContainsFunc(out, func(s subject) bool { return s.Name == name || s.ID == name }) {
			return nil, fmt.Errorf("%w: no defect or decoy is called %q: see bedlam list patches", bedlam.ErrUsage, name)
		}
	}
	return out, nil
}

// A hunt is one under way.
type hunt struct {
	Options
	commit, dir string
	done        []Proof
}

// one puts a subject through its experiments with a seed: a defect until it is
// found, everything else through all of them.
func (h *hunt) one(ctx context.Context, s subject, seed uint64) error {
	for _, words := range s.trials {
		found, err := h.trial(ctx, s, words, seed)
		if err != nil {
			return err
		}
		if found && s.Kind == defects.Defect {
			return nil
		}
	}
	return nil
}

// trial runs some experiments until the verdict is conclusive, unless the
// results say already what came of it.
func (h *hunt) trial(ctx context.Context, s subject, words []string, seed uint64) (found bool, err error) {
	try := 1
	for _, p := range h.done {
		if p.Subject == s.Name && p.Kind == s.Kind && p.Seed == seed && slices.Equal(p.Experiments, words) {
			if p.conclusive() || p.Try > again {
				return p.Found != "", nil
			}
			try = p.Try + 1
		}
	}
	shop, err := h.shop(ctx, s)
	if err != nil {
		return false, err
	}
	for ; try <= again+1; try++ {
		p, err := h.try(ctx, s, words, seed, try, shop)
		if err != nil {
			return false, err
		}
		if found = p.Found != ""; p.conclusive() {
			return found, nil
		}
	}
	return found, nil
}

func (h *hunt) try(ctx context.Context, s subject, words []string, seed uint64, try int, shop string) (Proof, error) {
	folder := filepath.Join(h.dir, fmt.Sprintf("%s-%s-%d-%d", s.Name, words[0], seed, try))
	began := time.Now()
	res, err := h.run(ctx, bedlam.Options{Words: words, Seed: seed, Rate: cmp.Or(h.Rate, bedlam.DefaultRate), Out: folder, Shop: shop})
	if err != nil && (ctx.Err() != nil || res.Schema == "") {
		return Proof{}, err
	}
	p := hold(s.Patch, res)
	p.Commit, p.Date, p.Machine, p.Experiments, p.Seed, p.Try = h.commit, began.UTC(), res.Machine, words, seed, try
	p.Seconds = time.Since(began).Seconds()
	if err := results.Append(h.Results, p); err != nil {
		return p, err
	}
	h.done = append(h.done, p)
	h.Tell(p.line())
	if p.OK {
		return p, os.RemoveAll(folder)
	}
	return p, results.Keep(folder, h.Results)
}

// shop returns the program with the subject's patch, built once; empty: the
// one as it is.
func (h *hunt) shop(ctx context.Context, s subject) (string, error) {
	if s.Kind == clean {
		return "", nil
	}
	out := filepath.Join(h.dir, "shop-"+s.Name)
	if _, err := os.Stat(out); !errors.Is(err, fs.ErrNotExist) {
		return out, err
	}
	return out, h.build(ctx, s.Patch, h.Root, out)
}
