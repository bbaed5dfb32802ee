package hunt

import (
	"slices"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/defects"
)

// A Proof is one line of the results: one run of one subject.
type Proof struct {
	Commit      string        `json:"commit"`
	Date        time.Time     `json:"date"`
	Machine     chaos.Machine `json:"machine"`
	ID          string        `json:"id,omitempty"` // in the catalogue
	Subject     string        `json:"subject"`      // a patch, or clean
	Kind        string        `json:"kind"`         // defect, decoy, unharmed (a defect without its fault) or clean
	Experiments []string      `json:"experiments"`
	Seed        uint64        `json:"seed"`
	Try         int           `json:"try"` // from 1; above it, repeats of INCONCLUSIVE
	Verdict     chaos.Verdict `json:"verdict"`
	Found       string        `json:"found,omitempty"`   // of a defect: right check and right site
	Accused     []string      `json:"accused,omitempty"` // sites, in the order in which the report accuses them
	Rank        int           `json:"rank,omitempty"`    // of a defect: the place of the first right site among them, from 1; 0: none is right
	OK          bool          `json:"ok"`                // a defect found, or anybody else left in peace
	Reasons     []string      `json:"reasons,omitempty"` // where it is not as it should be
	Seconds     float64       `json:"seconds"`           // from the start of the shop to the verdict
}

// conclusive reports whether the run says something of its subject. What is
// found is found, also in a run that could not tell everything.
func (p Proof) conclusive() bool { return p.Verdict != chaos.Inconclusive }

// hold holds a result against what the subject should have come to. It knows
// of a defect what its header says, and of the run what any user is told.
func hold(p defects.Patch, r chaos.Result) Proof {
	out := Proof{ID: p.ID, Subject: p.Name, Kind: p.Kind, Verdict: r.Verdict}
	findings := slices.Clone(r.Findings)
	for _, e := range slices.Backward(r.Experiments) {
		findings = append(slices.Clone(e.Findings), findings...)
	}
	for _, f := range findings {
		if f.Verdict != chaos.Fail {
			continue
		}
		if f.Site != "" && !slices.Contains(out.Accused, f.Site) {
			out.Accused = append(out.Accused, f.Site)
		}
		if p.Kind == defects.Defect && out.Found == "" && slices.Contains(p.Checks, f.Check) && slices.Contains(p.Sites, f.Site) {
			out.Found = f.Check + " at " + f.Site
		}
	}
	if p.Kind == defects.Defect {
		out.Rank = 1 + slices.IndexFunc(out.Accused, func(site string) bool { return slices.Contains(p.Sites, site) })
		out.OK = out.Found != ""
	} else {
		out.OK = r.Verdict == chaos.Pass
	}
	if !out.OK {
		out.Reasons = r.Reasons
	}
	return out
}
