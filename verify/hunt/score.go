package hunt

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/defects"
)

const (
	// steadily is the share of its repetitions in which a bug must be found to
	// count: one that shows now and then is not one that a team can rely on.
	steadily = 0.8
	// ranked is how many places of a report Avg@5 looks at.
	ranked = 5
)

// A Score is what a hunt came to. A case is a defect with a seed; one whose
// last run stayed INCONCLUSIVE is undecided, and counts as not found. Peaceful
// runs are those in which there is no bug to see: of decoys, of defects without
// their faults, and of the shop as it is.
type Score struct {
	Bugs, Found         int      // defects; those found in at least 8 of 10 repetitions
	Missed              []string // the others, and how often they were found
	Cases, Hits         int      // defects with a seed; those found
	Peaceful, Alarms    int      // peaceful runs; those that accused somebody
	Decoys, DecoyAlarms int      // of those, the ones of decoys
	Undecided           int      // cases and peaceful runs of which nothing could be said
	Reports, Right      int      // runs that accused somebody; those in which the right check accused the right site of a real bug
	Experiments         float64  // median of those run until a bug was found; NaN: none was
	Seconds             float64  // median of the time until then
	AC1, Avg5           float64  // share of cases whose culprit was accused first; the mean of the shares for the first one, two, … five
}

// A hunted is one case.
type hunted struct {
	subject          string
	seed             uint64
	found, undecided bool
	rank             int
	experiments      int
	seconds          float64
}

// Sum adds proofs up.
func Sum(proofs []Proof) Score {
	var s Score
	var cases []hunted
	type peace struct {
		subject, kind, words string
		seed                 uint64
	}
	last := map[peace]Proof{}
	for _, p := range proofs {
		if p.Verdict == chaos.Fail {
			s.Reports++
			if p.Found != "" {
				s.Right++
			}
		}
		if p.Kind != defects.Defect {
			last[peace{p.Subject, p.Kind, strings.Join(p.Experiments, " "), p.Seed}] = p
			continue
		}
		i := slices.IndexFunc(cases, func(c hunted) bool { return c.subject == p.Subject && c.seed == p.Seed })
		if i < 0 {
			i = len(cases)
			cases = append(cases, hunted{subject: p.Subject, seed: p.Seed})
		}
		cases[i].add(p)
	}
	for _, p := range last {
		s.peace(p)
	}
	s.bugs(cases)
	return s
}

func (c *hunted) add(p Proof) {
	c.experiments += len(p.Experiments)
	c.seconds += p.Seconds
	c.found = c.found || p.Found != ""
	c.undecided = !c.found && !p.conclusive()
	if p.Rank > 0 && (c.rank == 0 || p.Rank < c.rank) {
		c.rank = p.Rank
	}
}

// peace adds the last of a peaceful subject's runs with a seed.
func (s *Score) peace(p Proof) {
	alarm := 0
	if p.Verdict == chaos.Fail {
		alarm = 1
	}
	s.Peaceful, s.Alarms = s.Peaceful+1, s.Alarms+alarm
	if p.Kind == defects.Decoy {
		s.Decoys, s.DecoyAlarms = s.Decoys+1, s.DecoyAlarms+alarm
	}
	if !p.conclusive() {
		s.Undecided++
	}
}

// bugs adds the cases.
func (s *Score) bugs(cases []hunted) {
	of, hits := map[string]int{}, map[string]int{}
	var experiments, seconds []float64
	first, upTo := 0, 0
	for _, c := range cases {
		of[c.subject]++
		if c.found {
			hits[c.subject]++
			s.Hits++
			experiments, seconds = append(experiments, float64(c.experiments)), append(seconds, c.seconds)
		}
		if c.undecided {
			s.Undecided++
		}
		if c.rank == 1 {
			first++
		}
		if c.rank > 0 {
			upTo += max(0, ranked+1-c.rank)
		}
	}
	s.Cases, s.Bugs = len(cases), len(of)
	for name, n := range of {
		if float64(hits[name]) >= steadily*float64(n) {
			s.Found++
		} else {
			s.Missed = append(s.Missed, fmt.Sprintf("%s (%d of %d)", name, hits[name], n))
		}
	}
	slices.Sort(s.Missed)
	s.Experiments, s.Seconds = median(experiments), median(seconds)
	if len(cases) > 0 {
		s.AC1, s.Avg5 = float64(first)/float64(len(cases)), float64(upTo)/float64(ranked*len(cases))
	}
}

// Good reports whether nothing was missed, nobody was accused who is innocent,
// and everything was decided.
func (s Score) Good() bool { return len(s.Missed) == 0 && s.Alarms == 0 && s.Undecided == 0 }

// median of a few figures; NaN of none.
func median(xs []float64) float64 {
	if len(xs) == 0 {
		return math.NaN()
	}
	slices.Sort(xs)
	return (xs[(len(xs)-1)/2] + xs[len(xs)/2]) / 2
}
