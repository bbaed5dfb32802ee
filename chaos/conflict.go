package chaos

import (
	"bytes"
	"fmt"
	"slices"
)

// What ends an instance undoes what was done to its life, and what silences a
// link hides everything else on it.
var (
	ending    = []string{"kill", "stop", "restart", "crash_loop", "oom"}
	silencing = []string{"partition", "blackhole", "refuse", "packet_partition"}
)

// Conflict says why two harms must not be on at once, or nil if they may: on
// one instance or on one link, lifting one may undo the other, or one of them
// cannot be seen beside the other. It does not look at their times (see
// [Overlap]).
//
//	pause catalog-1     kill catalog-1          the restart ends the pause
//	kill catalog-1      kill catalog-1          one death is not two
//	latency a-1->b-1    partition a-1->b-1      who is silent is not seen to be slow
//	latency a-1->b-1    slicer a-1->b-1         may be: each is seen by its own probe
//	latency a-1->b-1    kill b-1                may be: the victim is not the link
func Conflict(a, b Resolved) error {
	for _, in := range a.Instances {
		if slices.Contains(b.Instances, in) && hides(a, b) {
			return fmt.Errorf("%s and %s would both harm %s: they could not be told apart", a.Action, b.Action, in)
		}
	}
	for _, l := range a.Links {
		if slices.Contains(b.Links, l) && hides(a, b) {
			return fmt.Errorf("%s and %s would both harm the link %s: they could not be told apart", a.Action, b.Action, l)
		}
	}
	return nil
}

// hides reports whether one of two harms at one place ends or hides the other.
// Two of a kind are one, unless they are asked for differently, as on two routes.
func hides(a, b Resolved) bool {
	one := func(of []string) bool { return slices.Contains(of, a.Action) || slices.Contains(of, b.Action) }
	both := func(of []string) bool { return slices.Contains(of, a.Action) && slices.Contains(of, b.Action) }
	switch {
	case a.Action == b.Action && bytes.Equal(a.Args, b.Args), both(ending), one(silencing):
		return true
	}
	return one(ending) && one([]string{"pause"})
}

// Overlap reports whether two harms are on at the same time as far as their
// schedules say. A duration of 0 lasts to the end. One that begins when
// another ends does not overlap it.
func Overlap(a, b Resolved) bool {
	ends := func(r Resolved, at Resolved) bool { return r.Duration > 0 && r.At+r.Duration <= at.At }
	return !ends(a, b) && !ends(b, a)
}
