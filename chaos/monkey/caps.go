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
		for _, err := range []error{chaos.Conflict(on, next), crowds(on, next), blurs(on, next), blurs(next, on), t.starves(on, next), t.starves(next, on)} {
			if err != nil {
				return fmt.Errorf("%s is on: %w", on.ID, err)
			}
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

// crowds says what two harms have in common. An experiment may have more of them
// at one place than that, see [chaos.Conflict]: it lifts all before it proves
// that they are gone. Here each is proven to be gone in its own time, which it
// could not be while the other keeps the place slow, silent or down.
func crowds(a, b chaos.Resolved) error {
	for _, in := range a.Instances {
		if slices.Contains(b.Instances, in) {
			return fmt.Errorf("%s and %s would both harm %s: that one is gone could not be seen beside the other", a.Action, b.Action, in)
		}
	}
	for _, l := range a.Links {
		if slices.Contains(b.Links, l) {
			return fmt.Errorf("%s and %s would both harm the link %s: that one is gone could not be seen beside the other", a.Action, b.Action, l)
		}
	}
	return nil
}

// blurs says why a harm to links could not be told from b, to an end of one: who
// is down does not answer over any link, and who cannot reach its store does not
// come back.
func blurs(a, b chaos.Resolved) error {
	for _, l := range a.Links {
		for _, end := range []string{l.From, l.To} {
			if slices.Contains(b.Instances, end) {
				return fmt.Errorf("%s of the link %s could not be told from %s of %s", a.Action, l, b.Action, end)
			}
		}
	}
	return nil
}

// starves says why it could not be seen that b's victims are well again while a
// harms the store that they wait for when they start.
func (t roster) starves(a, b chaos.Resolved) error {
	for _, store := range a.Instances {
		for _, in := range b.Instances {
			if t.keeps(store, in) {
				return fmt.Errorf("%s of %s would keep %s from coming back from %s", a.Action, store, in, b.Action)
			}
		}
	}
	return nil
}

// keeps reports whether an instance is a store of another's.
func (t roster) keeps(store, in string) bool {
	return slices.ContainsFunc(t.Edges, func(e topology.Edge) bool {
		return e.Protocol == topology.Postgres && e.From == t.named[in].Service && e.To == t.named[store].Service
	})
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
