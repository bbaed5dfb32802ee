package chaos

import (
	"fmt"
	"slices"
)

// Conflict says why two harms must not be on at once, or nil if they may: on
// one instance or on one link they cannot be told apart, and lifting one may
// undo the other. It does not look at their times (see [Overlap]).
//
//	pause catalog-1     kill catalog-1          the restart ends the pause
//	latency a-1->b-1    partition a-1->b-1      who is silent is not seen to be slow
//	latency a-1->b-1    kill b-1                may be: the victim is not the link
//
// A composite experiment may slow a link and kill who is at its end: each
// harm is still seen by its own probe, at its own time.
func Conflict(a, b Resolved) error {
	for _, in := range a.Instances {
		if slices.Contains(b.Instances, in) {
			return fmt.Errorf("%s and %s would both harm %s: they could not be told apart", a.Action, b.Action, in)
		}
	}
	for _, l := range a.Links {
		if slices.Contains(b.Links, l) {
			return fmt.Errorf("%s and %s would both harm the link %s: they could not be told apart", a.Action, b.Action, l)
		}
	}
	return nil
}

// Overlap reports whether two harms are on at the same time as far as their
// schedules say. A duration of 0 lasts to the end. One that begins when
// another ends does not overlap it.
func Overlap(a, b Resolved) bool {
	ends := func(r Resolved, at Resolved) bool { return r.Duration > 0 && r.At+r.Duration <= at.At }
	return !ends(a, b) && !ends(b, a)
}
