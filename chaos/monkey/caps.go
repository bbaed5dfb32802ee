package monkey

import (
	"errors"
	"fmt"
	"slices"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/topology"
)

// A roster is a topology with its instances by name, which are asked for often.
type roster struct {
	topology.System
	named map[string]topology.Instance
}

func newRoster(t topology.System) roster {
	r := roster{t, map[string]topology.Instance{}}
	for _, in := range append(t.InstancesOf(topology.Loader), t.Instances()...) {
		r.named[in.Name] = in
	}
	return r
}

// admit says why a fault may not be on beside those that are, or nil if it may.
func (c Caps) admit(t roster, live []chaos.Resolved, next chaos.Resolved) error {
	if len(live) >= c.Simultaneous {
		return fmt.Errorf("%s on already, and at most %d may be at once", faults(len(live)), c.Simultaneous)
	}
	if err := c.excluded(t, next); err != nil {
		return err
	}
	for _, on := range live {
		if err := chaos.Conflict(on, next); err != nil {
			return fmt.Errorf("%s is on: %w", on.ID, err)
		}
		if err := errors.Join(blurs(on, next), blurs(next, on)); err != nil {
			return fmt.Errorf("%s is on: %w", on.ID, err)
		}
	}
	return c.share(t, append(slices.Clone(live), next))
}

func faults(n int) string {
	if n == 1 {
		return "1 fault is"
	}
	return fmt.Sprintf("%d faults are", n)
}

// excluded refuses what touches an excluded target, or nobody that there is.
func (c Caps) excluded(t roster, r chaos.Resolved) error {
	touched := slices.Clone(r.Instances)
	for _, l := range r.Links {
		touched = append(touched, l.From, l.To)
	}
	for _, name := range touched {
		in, ok := t.named[name]
		switch {
		case !ok:
			return fmt.Errorf("%s has no instance %q", t.Name, name)
		case in.Service == topology.Loader:
			return errors.New("the load generator is the witness, not a victim")
		}
		for _, name := range []string{in.Name, in.Service, in.Zone} {
			if slices.Contains(c.Exclude, name) {
				return fmt.Errorf("it would touch %s, and %s is excluded", in.Name, name)
			}
		}
	}
	return nil
}

// blurs says why a's probe could not tell its links from their callees once b
// is on too: somebody who is down does not answer over any link.
func blurs(a, b chaos.Resolved) error {
	for _, l := range a.Links {
		if slices.Contains(b.Instances, l.To) {
			return fmt.Errorf("%s of the link %s could not be told from %s of %s", a.Action, l, b.Action, l.To)
		}
	}
	return nil
}

// share refuses faults that together harm too many replicas of a service:
// victims, and the callers of harmed links.
func (c Caps) share(t roster, all []chaos.Resolved) error {
	var victims []topology.Instance
	add := func(name string) {
		if in := t.named[name]; !slices.Contains(victims, in) {
			victims = append(victims, in)
		}
	}
	for _, r := range all {
		for _, name := range r.Instances {
			add(name)
		}
		for _, l := range r.Links {
			add(l.From)
		}
	}
	return chaos.WithinShare(victims, c.Share, t.System)
}
