package bedlam

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/defects"
	"github.com/bedlamlab/bedlam/chaos/experiments"
)

// VerifyOptions say how to verify that verdicts can fail and do not cry wolf.
type VerifyOptions struct {
	Root    string   // of the module, whose sources are built
	Seeds   []uint64 // each subject is run with each
	Names   []string // subjects; empty: the clean shop and every patch
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

// Verify runs the clean shop, the harmless patches and the defects, each with
// each seed, and appends a [Proof] of each to the results. It returns those
// of this commit. It can be cut short and goes on where it was.
func Verify(ctx context.Context, o VerifyOptions) ([]Proof, error) {
	all, err := defects.All()
	if err != nil {
		return nil, err
	}
	subjects := append([]defects.Patch{{Name: cleanSubject, Kind: cleanSubject}}, all...)
	if len(o.Names) > 0 {
		for _, name := range o.Names {
			if !slices.ContainsFunc(subjects, func(p defects.Patch) bool { return p.Name == name }) {
				return nil, usage("no patch is called %q", name)
			}
		}
		subjects = slices.DeleteFunc(subjects, func(p defects.Patch) bool { return !slices.Contains(o.Names, p.Name) })
	}
	rev, err := Revision(ctx, o.Root)
	if err != nil {
		return nil, err
	}
	done, err := readProofs(o.Results, rev)
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
func verifyOne(ctx context.Context, o VerifyOptions, p defects.Patch, seed uint64, rev, dir string, done []Proof) ([]Proof, error) {
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
		out, err := Run(ctx, Options{Words: words, Seed: seed, Rate: DefaultRate, Out: folder, Shop: shop})
		if err != nil && (ctx.Err() != nil || out.Result.Schema == "") {
			return proofs, err
		}
		proof := prove(p, out.Result)
		proof.Commit, proof.Date, proof.Seed, proof.Try = rev, began.UTC(), seed, try
		proof.Seconds = time.Since(began).Seconds()
		if err := appendProof(o.Results, proof); err != nil {
			return proofs, err
		}
		proofs = append(proofs, proof)
		o.Tell(proof.line())
		if proof.OK {
			if err := os.RemoveAll(folder); err != nil {
				return proofs, err
			}
		} else if err := keep(folder, o.Results); err != nil {
			return proofs, err
		}
		if proof.Verdict != chaos.Inconclusive {
			break
		}
	}
	return proofs, nil
}

// keep moves the folder of a run that was not as it should be beside the
// results, for somebody to look at.
func keep(folder, results string) error {
	to := filepath.Join(filepath.Dir(results), "kept", filepath.Base(folder)+time.Now().UTC().Format("-20060102T150405"))
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if os.Rename(folder, to) == nil {
		return nil
	}
	// Another file system.
	return errors.Join(os.CopyFS(to, os.DirFS(folder)), os.RemoveAll(folder))
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
	proof.OK = true
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

// Revision names the sources below root: the commit, and whether they differ
// from it.
func Revision(ctx context.Context, root string) (string, error) {
	git := func(args ...string) (string, error) {
		c := exec.CommandContext(ctx, "git", args...)
		c.Dir = root
		out, err := c.Output()
		return strings.TrimSpace(string(out)), err
	}
	rev, err := git("rev-parse", "HEAD")
	if err != nil {
		return "", fmt.Errorf("asking git for the commit: %w", err)
	}
	changed, err := git("status", "--porcelain", "--", "*.go", "*.yaml", "*.sql", "*.patch")
	if changed != "" {
		rev += "-dirty"
	}
	return rev, err
}

func readProofs(path, rev string) ([]Proof, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var proofs []Proof
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		var p Proof
		if err := json.Unmarshal(lines.Bytes(), &p); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, n, err)
		}
		if p.Commit == rev {
			proofs = append(proofs, p)
		}
	}
	return proofs, lines.Err()
}

func appendProof(path string, p Proof) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	line, err := json.Marshal(p)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Close())
}

// Patches returns the defects and harmless patches, for those who list them.
func Patches() ([]defects.Patch, error) {
	all, err := defects.All()
	if err != nil {
		return nil, err
	}
	for _, p := range all {
		if _, err := experiments.Find(append(p.ExposedBy, "default")); err != nil {
			return nil, fmt.Errorf("patch %s: %w", p.Name, err)
		}
	}
	return all, nil
}

// A Score sums the proofs of one subject up. A subject with a seed counts once:
// by its last try.
type Score struct {
	Subject                 string
	Right, Wrong, Undecided int // seeds
	Repeats                 int // runs that were INCONCLUSIVE and done again
}

// String says a score in a line.
func (s Score) String() string {
	return fmt.Sprintf("%-32s %d of %d seeds right, %d wrong, %d undecided; %d runs repeated", s.Subject, s.Right,
		s.Right+s.Wrong+s.Undecided, s.Wrong, s.Undecided, s.Repeats)
}

// Sum sums proofs up, a score for each subject in the order in which they
// appear.
func Sum(proofs []Proof) []Score {
	type of struct {
		subject string
		seed    uint64
	}
	last := map[of]Proof{}
	var scores []Score
	for _, p := range proofs {
		if !slices.ContainsFunc(scores, func(s Score) bool { return s.Subject == p.Subject }) {
			scores = append(scores, Score{Subject: p.Subject})
		}
		last[of{p.Subject, p.Seed}] = p
	}
	for i := range scores {
		s := &scores[i]
		for at, p := range last {
			switch {
			case at.subject != s.Subject:
				continue
			case p.OK:
				s.Right++
			case p.Verdict == chaos.Inconclusive:
				s.Undecided++
			default:
				s.Wrong++
			}
			s.Repeats += p.Try - 1
		}
	}
	return scores
}
