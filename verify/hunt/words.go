package hunt

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/defects"
)

// String says a score in a few lines, each share with its 95 % interval.
func (s Score) String() string {
	var t strings.Builder
	of := func(x, n int) string {
		low, high := Wilson(x, n)
		return fmt.Sprintf("[%.2f to %.2f]", low, high)
	}
	if s.Cases > 0 {
		fmt.Fprintf(&t, "found %d of %d seeded bugs %s in at least %g %% of their repetitions; %d of %d times %s\n",
			s.Found, s.Bugs, of(s.Found, s.Bugs), 100*steadily, s.Hits, s.Cases, of(s.Hits, s.Cases))
	}
	if s.Hits > 0 {
		fmt.Fprintf(&t, "to find one it took %g experiments and %.0f s (medians)\n", s.Experiments, s.Seconds)
	}
	if s.Reports > 0 {
		fmt.Fprintf(&t, "precision: %d of %d runs that accused somebody did so rightly %s\n", s.Right, s.Reports, of(s.Right, s.Reports))
	}
	if s.Peaceful > 0 {
		fmt.Fprintf(&t, "false alarms: %d in %d runs without a bug to see %s, of them %d in %d of decoys\n",
			s.Alarms, s.Peaceful, of(s.Alarms, s.Peaceful), s.DecoyAlarms, s.Decoys)
	}
	if s.Cases > 0 {
		fmt.Fprintf(&t, "the culprit was accused first (AC@1) in %.2f of the cases; Avg@%d is %.2f\n", s.AC1, ranked, s.Avg5)
	}
	if s.Undecided > 0 {
		fmt.Fprintf(&t, "undecided: %d\n", s.Undecided)
	}
	if len(s.Missed) > 0 {
		fmt.Fprintf(&t, "not found often enough: %s\n", strings.Join(s.Missed, ", "))
	}
	return t.String()
}

// line says what came of a run.
func (p Proof) line() string {
	what := strings.TrimSpace(p.ID + " " + p.Subject)
	if p.Kind == unharmed {
		what += " without its fault"
	}
	under := strings.Join(p.Experiments, ", ")
	if len(p.Experiments) > 1 {
		under = fmt.Sprintf("%d experiments", len(p.Experiments))
	}
	verdict := fmt.Sprintf("%s under %s, seed %d, try %d: %s (%.0f s): ", what, under, p.Seed, p.Try, p.Verdict, p.Seconds)
	switch {
	case p.Found != "":
		return verdict + "found, " + p.Found
	case p.OK:
		return verdict + "nobody accused, as it should be"
	case !p.conclusive():
		return verdict + strings.Join(p.Reasons, "; ")
	case p.Kind == defects.Defect:
		return verdict + "MISSED; accused: " + cmp.Or(strings.Join(p.Accused, ", "), "nobody") + "; " + strings.Join(p.Reasons, "; ")
	case p.Verdict == chaos.Fail:
		return verdict + "FALSE ALARM: " + strings.Join(p.Reasons, "; ")
	}
	return verdict + strings.Join(p.Reasons, "; ")
}
