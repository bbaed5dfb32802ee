// Package verdict shows that verdicts can fail and do not cry wolf: it runs
// the shop as it is, with changes that must not matter, and with bugs that must
// be found. [Prove] does it, [Sum] adds up what came of it.
package verdict

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bedlamlab/bedlam"
	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/defects"
	"github.com/bedlamlab/bedlam/verify/results"
)

// Options say how to verify that verdicts can fail and do not cry wolf.
type Options struct {
	Root    string   // of the module, whose sources are built
	Seeds   []uint64 // each subject is run with each
	Names   []string // subjects; empty: the clean shop, every harmless patch and a sample of the defects
	Suite   string   // that must pass; default unless given
	Results string   // file that results are appended to; what it has of this commit is not done again
	Tell    func(string)
}

// cleanSubject is the shop as it is.
const cleanSubject = "clean"

// repeats is how often an INCONCLUSIVE run is done again, openly.
const repeats = 2

// A Proof is one line of the results: one subject with one seed.
type Proof struct {
	Commit      string                   `json:"commit"`
	Date        time.Time                `json:"date"`
	Machine     chaos.Machine            `json:"machine"`
	Subject     string                   `json:"subject"` // clean, or a patch
	Kind        string                   `json:"kind"`    // clean, harmless or defect
	Seed        uint64                   `json:"seed"`
	Try         int                      `json:"try"` // from 1; above it, repeats of INCONCLUSIVE
	Verdict     chaos.Verdict            `json:"verdict"`
	Experiments map[string]chaos.Verdict `json:"experiments"`
	Found       string                   `json:"found,omitempty"` // of a defect: check and site that caught it
	OK          bool                     `json:"ok"`              // as it should be
	Reasons     []string                 `json:"reasons,omitempty"`
	Seconds     float64                  `json:"seconds"`
}

// Prove runs the clean shop, the harmless patches and a sample of the defects,
// each with each seed, and appends a [Proof] of each to the results. It returns those
// of this commit. It can be cut short and goes on where it was.
func Prove(ctx context.Context, o Options) ([]Proof, error) {
	all, err := defects.All()
	if err != nil {
		return nil, err
	}
	subjects := append([]defects.Patch{{Name: cleanSubject, Kind: cleanSubject}}, all...)
	if len(o.Names) == 0 {
		// All of the catalogue is for verify/hunt.
		subjects = slices.DeleteFunc(subjects, func(p defects.Patch) bool {
			return p.Kind == defects.Decoy || p.Kind == defects.Defect && !p.Sample
		})
	} else {
		for _, name := range o.Names {
			if !slices.ContainsFunc(subjects, func(p defects.Patch) bool { return p.Name == name }) {
				return nil, fmt.Errorf("%w: no patch is called %q", bedlam.ErrUsage, name)
			}
		}
		subjects = slices.DeleteFunc(subjects, func(p defects.Patch) bool { return !slices.Contains(o.Names, p.Name) })
	}
	rev, err := results.Revision(ctx, o.Root)
	if err != nil {
		return nil, err
	}
	done, err := results.Read(o.Results, func(p Proof) bool { return p.Commit == rev })
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "bedlam-verify-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	for _, seed := range o.Seeds {
		for _, subject := range subjects {
			proofs, err := verifyOne(ctx, o, subject, seed, rev, dir, done)
			done = append(done, proofs...)
			if err != nil {
				return done, err
			}
		}
	}
	return done, nil
}

// verifyOne runs one subject with one seed until its verdict is conclusive.
func verifyOne(ctx context.Context, o Options, p defects.Patch, seed uint64, rev, dir string, done []Proof) ([]Proof, error) {
	try := 1
	for _, d := range done {
		if d.Subject == p.Name && d.Seed == seed {
			if d.Verdict != chaos.Inconclusive || d.Try > repeats {
				return nil, nil
			}
			try = d.Try + 1
		}
	}
	shop := ""
	if p.Kind != cleanSubject {
		shop = filepath.Join(dir, "shop-"+p.Name)
		if _, err := os.Stat(shop); errors.Is(err, fs.ErrNotExist) {
			if err := p.Build(ctx, o.Root, shop); err != nil {
				return nil, err
			}
		}
	}
	words := []string{cmp.Or(o.Suite, "default")}
	if p.Kind == defects.Defect {
		words = p.ExposedBy
	}
	var proofs []Proof
	for ; try <= repeats+1; try++ {
		folder := filepath.Join(dir, fmt.Sprintf("%s-%d-%d", p.Name, seed, try))
		began := time.Now()
		out, err := bedlam.Run(ctx, bedlam.Options{Words: words, Seed: seed, Rate: bedlam.DefaultRate, Out: folder, Shop: shop})
		if err != nil && (ctx.Err() != nil || out.Result.Schema == "") {
			return proofs, err
		}
		proof := prove(p, out.Result)
		proof.Commit, proof.Date, proof.Seed, proof.Try = rev, began.UTC(), seed, try
		proof.Seconds = time.Since(began).Seconds()
		if err := results.Append(o.Results, proof); err != nil {
			return proofs, err
		}
		proofs = append(proofs, proof)
		o.Tell(proof.line())
		if proof.OK {
			if err := os.RemoveAll(folder); err != nil {
				return proofs, err
			}
		} else if err := results.Keep(folder, o.Results); err != nil {
			return proofs, err
		}
		if proof.Verdict != chaos.Inconclusive {
			break
		}
	}
	return proofs, nil
}

// prove holds a result against what the subject should have come to.
func prove(p defects.Patch, r chaos.Result) Proof {
	proof := Proof{Machine: r.Machine, Subject: p.Name, Kind: p.Kind, Verdict: r.Verdict, Experiments: map[string]chaos.Verdict{}}
	for _, e := range r.Experiments {
		proof.Experiments[e.Name] = e.Verdict
	}
	if p.Kind != defects.Defect {
		proof.OK = r.Verdict == chaos.Pass
		if !proof.OK {
			proof.Reasons = r.Reasons
		}
		return proof
	}
	// Each experiment that exposes the defect must fail for the right reason.
	proof.OK = len(r.Experiments) > 0
	for _, e := range r.Experiments {
		i := slices.IndexFunc(e.Findings, func(f chaos.Finding) bool {
			return f.Verdict == chaos.Fail && slices.Contains(p.Checks, f.Check) && slices.Contains(p.Sites, f.Site)
		})
		if e.Verdict != chaos.Fail || i < 0 {
			proof.OK = false
			continue
		}
		proof.Found = e.Findings[i].Check + " at " + e.Findings[i].Site
	}
	if !proof.OK {
		proof.Reasons = append([]string{"missed by at least one experiment that exposes it"}, r.Reasons...)
	}
	return proof
}

func (p Proof) line() string {
	mark := "ok"
	if !p.OK {
		mark = "NOT OK: " + strings.Join(p.Reasons, "; ")
	}
	found := ""
	if p.Found != "" {
		found = ", " + p.Found
	}
	return fmt.Sprintf("%s seed %d try %d: %s%s (%.0f s): %s", p.Subject, p.Seed, p.Try, p.Verdict, found, p.Seconds, mark)
}
