package verdict

import (
	"fmt"
	"slices"

	"github.com/bedlamlab/bedlam/chaos"
)

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
