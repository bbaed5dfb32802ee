package chaos

import (
	"bytes"
	"fmt"
	"slices"
)

// The harms that are not for one place together, by what they have in common.
var (
	ending    = []string{"kill", "stop", "restart", "crash_loop", "oom"}         // undo what was done to a life
	silencing = []string{"partition", "blackhole", "refuse", "packet_partition"} // hide all else on a link
	resources = []string{"clock_skew", "cpu_hog", "cpu_quota", "file_descriptors", "memory_balloon"}
	packets   = []string{"packet_bandwidth", "packet_corrupt", "packet_delay", "packet_duplicate", "packet_loss", "packet_partition"}
	disks     = []string{"disk_full", "disk_read_only", "disk_slow"}
	full      = []string{"disk_full", "disk_read_only"} // on which nobody can make a file
	locks     = []string{"lock_table", "slow_statements"}
	sessions  = []string{"exhaust_connections", "lock_table", "slow_statements", "terminate_backends"} // lifted or proven by who logs in
	lossy     = []string{"packet_corrupt", "packet_loss"}                                              // each is over when every packet comes back
	kernels   = slices.Concat(resources, packets, disks)
)

const indistinct = "they could not be told apart"

// Conflict says why two harms must not be on at once, or nil if they may: on
// one instance or on one link, lifting one may undo the other, or one of them
// cannot be seen or lifted beside the other. Whether they ever are on at once is
// [Overlap]'s to say.
//
//	pause catalog-1         kill catalog-1          the restart ends the pause
//	pause catalog-1         clock_skew catalog-1    who is frozen answers no probe
//	kill catalog-1          kill catalog-1          one death is not two
//	cpu_quota cart-1 0.1    cpu_quota cart-1 0.2    the kernel has one of a kind
//	disk_full bankdb-1      disk_slow bankdb-1      the probe makes a file
//	lock_table bankdb-1     exhaust_connections …   who lifts the first must log in
//	latency a-1->b-1        partition a-1->b-1      who is silent is not seen to be slow
//	latency a-1->b-1        slicer a-1->b-1         may be: each is seen by its own probe
//	latency a-1->b-1        kill b-1                may be: the victim is not the link
func Conflict(a, b Resolved) error {
	why := clash(a, b)
	if why == "" {
		return nil
	}
	for _, in := range a.Instances {
		if slices.Contains(b.Instances, in) {
			return fmt.Errorf("%s and %s would both harm %s: %s", a.Action, b.Action, in, why)
		}
	}
	for _, l := range a.Links {
		if slices.Contains(b.Links, l) {
			return fmt.Errorf("%s and %s would both harm the link %s: %s", a.Action, b.Action, l, why)
		}
	}
	return nil
}

// clash says what is wrong with two harms at one place; empty: nothing. Two of
// a kind are one, unless they are asked for differently, as on two routes.
func clash(a, b Resolved) string {
	one := func(of ...string) bool { return slices.Contains(of, a.Action) || slices.Contains(of, b.Action) }
	both := func(of []string) bool { return slices.Contains(of, a.Action) && slices.Contains(of, b.Action) }
	switch same := a.Action == b.Action; {
	case same && bytes.Equal(a.Args, b.Args), both(ending), one(silencing...), one(ending...) && one("pause"):
		return indistinct
	case same && slices.Contains(kernels, a.Action):
		return "an instance can have one of a kind that the kernel does"
	case one("pause") && one(slices.Concat(resources, disks, sessions)...):
		return "while it is frozen, it answers no probe and not who lifts the other"
	case one(full...) && both(disks):
		return "where no file can be made, a probe sees nothing else"
	case one(lossy...) && both(packets):
		return "where packets are lost, a probe cannot tell what else is done to them, nor its end"
	case one("exhaust_connections") && one(locks...), shutOut(a, b), shutOut(b, a):
		return "who lifts or proves the other has to log in, and there is no slot"
	}
	return ""
}

// shutOut reports whether slots are taken while the end of sessions begins, or
// still after it: for both, there must be a slot. In between, it has its own.
func shutOut(slots, end Resolved) bool {
	if slots.Action != "exhaust_connections" || end.Action != "terminate_backends" {
		return false
	}
	outlasts := end.Duration == 0 || slots.Duration > 0 && slots.At+slots.Duration <= end.At+end.Duration
	return slots.At <= end.At || !outlasts
}

// Overlap reports whether two harms are on at the same time as far as their
// schedules say. A duration of 0 lasts to the end. One that begins when
// another ends does not overlap it.
func Overlap(a, b Resolved) bool {
	ends := func(r Resolved, at Resolved) bool { return r.Duration > 0 && r.At+r.Duration <= at.At }
	return !ends(a, b) && !ends(b, a)
}
