package bedlam

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/fault"
	"github.com/bedlamlab/bedlam/chaos/monkey"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/process"
	"github.com/bedlamlab/bedlam/topology"
)

// deeds are what a monkey is to do: the choices of a schedule, or the faults
// of a recording.
type deeds struct {
	choices []monkey.Choice
	replay  []chaos.Resolved // nil: a schedule
	// named are faults that somebody has named: what cannot be done is no
	// reason to do something else.
	named   map[string]bool
	leftOut []string // faults that are not done here, with the reason

	// What follows is so as far as it is known now, see [deeds.on].
	faults  iter.Seq[chaos.Resolved]
	origin  monkey.Origin
	targets []chaos.Resolved // all that may be done, without their times
}

// deeds reads what is to be done; nothing is started yet. The options come back
// with the isolation that the faults need.
func (o MonkeyOptions) deeds(base Options) (deeds, Options, error) {
	d := deeds{named: map[string]bool{}}
	var err error
	if o.Replay != "" {
		if o.Catalogue != "" || len(o.Weights) > 0 {
			return d, base, usage("a replay does what was recorded: it takes no catalogue and no weights")
		}
		d.replay, err = readReplay(o.Replay)
	} else {
		d.choices, err = o.choices(d.named)
	}
	if err != nil {
		return d, base, err
	}
	if base, err = base.isolated(d.actions()...); err != nil {
		return d, base, err
	}
	e, err := base.engine()
	if err != nil {
		return d, base, err
	}
	if m, ok := e.(deploy.Modeler); ok {
		model := m.Model()
		if d, err = d.without(func(k fault.Kind) error {
			switch {
			case !k.Needs.Within(model):
				return fmt.Errorf("engine %s has not got all that is needed (%s)%s: %w", e.Name(), k.Needs, instead(k.Name, e.Name()), errors.ErrUnsupported)
			case base.Isolation == process.None && fault.Isolates(k.Name):
				return fmt.Errorf("it needs isolated instances: --isolation %s, as root on Linux: %w", process.Full, errors.ErrUnsupported)
			}
			return nil
		}); err != nil {
			return d, base, err
		}
	}
	d, err = d.on(base.topology(), o.Habits)
	return d, base, err
}

// actions are the faults that may be done.
func (d deeds) actions() []string {
	var all []string
	for _, c := range d.choices {
		if c.Weight > 0 {
			all = append(all, c.Fault)
		}
	}
	for _, r := range d.replay {
		all = append(all, r.Action)
	}
	return all
}

// choices reads the catalogue and weighs it.
func (o MonkeyOptions) choices(named map[string]bool) ([]monkey.Choice, error) {
	all, err := monkey.Catalogue()
	if o.Catalogue != "" {
		all, err = readCatalogue(o.Catalogue)
		for _, c := range all {
			named[c.Fault] = c.Weight > 0
		}
	}
	if err != nil {
		return nil, usage("%w", err)
	}
	if all, err = monkey.Reweigh(all, o.Weights); err != nil {
		return nil, usage("%w", err)
	}
	for _, w := range o.Weights {
		name, _, _ := strings.Cut(w, "=")
		named[name] = slices.ContainsFunc(all, func(c monkey.Choice) bool { return c.Fault == name && c.Weight > 0 })
	}
	for i := range all {
		c := &all[i]
		for _, k := range fault.Kinds() {
			if k.Name == c.Fault {
				c.Edges = k.On == "edges"
			}
		}
		spec := chaos.Spec{Action: c.Fault, Args: c.Args, Direction: c.Direction}
		if c.Edges {
			spec.Target = &chaos.Selector{}
		}
		if err := fault.Check(spec); err != nil {
			return nil, usage("the monkey's catalogue: %w", err)
		}
	}
	return all, nil
}

// maxCatalogue is larger than any that a person writes.
const maxCatalogue = 1 << 20

func readCatalogue(path string) ([]monkey.Choice, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxCatalogue {
		return nil, fmt.Errorf("%s: want a file of at most %d bytes", path, maxCatalogue)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return monkey.ParseCatalogue(path, b)
}

func readReplay(path string) ([]chaos.Resolved, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, usage("%w", err)
	}
	defer f.Close()
	_, all, err := monkey.ReadRecording(f)
	if err != nil {
		return nil, usage("%s: %w", path, err)
	}
	if len(all) == 0 {
		return nil, usage("%s: nothing was recorded", path)
	}
	for i := range all {
		if _, err := fault.Build(all[i]); err != nil {
			return nil, usage("%s: %s: %w", path, all[i].ID, err)
		}
		all[i].ID = fmt.Sprintf("replay/%d", i+1) // beside what is asked for now
	}
	return all, nil
}

// instead names the engines that can do a fault in another one's place.
func instead(name, engine string) string {
	for _, f := range Faults() {
		if others := slices.DeleteFunc(f.Engines, func(e string) bool { return e == engine || e == attached }); f.Name == name && len(others) > 0 {
			return "; try --engine " + strings.Join(others, " or ")
		}
	}
	return ""
}

// able leaves out what a system that runs cannot do, of which its engine could
// say nothing: what its machine or its kernel has not got.
func (d deeds) able(s deploy.System) (deeds, error) {
	return d.without(func(k fault.Kind) error {
		at := slices.IndexFunc(d.targets, func(r chaos.Resolved) bool { return r.Action == k.Name })
		if at < 0 {
			return k.Needs.Of(s)
		}
		return fault.Supported(d.targets[at], s)
	})
}

// assumed says what is taken for granted of a system that does not run: only one
// that does can be asked what [deeds.able] asks it.
func (d deeds) assumed(base Options) string {
	where := "engine " + base.Engine
	switch {
	case base.System != "":
		where = base.System
	case base.Isolation != "":
		where += " with isolation " + base.Isolation
	}
	then := "it is left out, and other faults come in its place"
	if d.replay != nil {
		then = "the recording is refused"
	}
	return fmt.Sprintf("nothing was started to ask what this machine, its kernel and %s can really do; if one of these faults cannot be done, %s", where, then)
}

// without leaves out the faults that lack says cannot be. What somebody has
// named is refused, before anything is harmed; so is a recording.
func (d deeds) without(lack func(fault.Kind) error) (deeds, error) {
	lacks := map[string]error{}
	for _, k := range fault.Kinds() {
		if slices.Contains(d.actions(), k.Name) {
			lacks[k.Name] = lack(k)
		}
	}
	for _, r := range d.replay {
		if err := lacks[r.Action]; err != nil {
			return d, fmt.Errorf("the recording cannot be replayed: %s: %w", r.Action, err)
		}
	}
	var able []monkey.Choice
	gone := map[string][]string{} // names, by the reason
	var reasons []string
	for _, c := range d.choices {
		err := lacks[c.Fault]
		switch {
		case err == nil:
			able = append(able, c)
		case d.named[c.Fault] && c.Weight > 0:
			return d, fmt.Errorf("%s: %w", c.Fault, err)
		default:
			if why := err.Error(); gone[why] == nil {
				reasons = append(reasons, why)
			}
			if all := gone[err.Error()]; !slices.Contains(all, c.Fault) {
				gone[err.Error()] = append(all, c.Fault)
			}
		}
	}
	d.leftOut = slices.Clip(d.leftOut)
	for _, why := range reasons {
		d.leftOut = append(d.leftOut, strings.Join(gone[why], ", ")+": "+why)
	}
	d.choices = able
	return d, nil
}

// on lays out what is to be done to a topology. What somebody has named, and
// what was recorded, is refused if there is nobody to do it to.
func (d deeds) on(t topology.System, habits monkey.Options) (deeds, error) {
	if d.replay != nil {
		// What cannot be done to this system is refused now, not at its time.
		for _, r := range d.replay {
			if err := fits(r, t); err != nil {
				return d, usage("%w", err)
			}
		}
		d.faults, d.origin, d.targets = slices.Values(d.replay), monkey.Replayed, d.replay
		return d, nil
	}
	choices := slices.Clone(d.choices)
	for i := range choices {
		choices[i].Refuses = func(r chaos.Resolved) error { return fault.Fit(r, t) }
	}
	p, err := monkey.NewPlan(habits, choices, t)
	if err != nil {
		return d, usage("%w", err)
	}
	var idle []string
	for _, c := range p.Idle() {
		if slices.ContainsFunc(p.Choices(), func(o monkey.Choice) bool { return o.Fault == c.Fault }) || slices.Contains(idle, c.Fault) {
			continue
		}
		if d.named[c.Fault] {
			return d, usage("%s: nobody is left whom it may harm: %s", c.Fault, nobody(habits))
		}
		idle = append(idle, c.Fault)
	}
	if len(idle) > 0 {
		d.leftOut = append(slices.Clip(d.leftOut), fmt.Sprintf("%s: nobody is left to harm: %s", strings.Join(idle, ", "), nobody(habits)))
	}
	d.faults, d.origin, d.choices, d.targets = p.All(), monkey.Scheduled, p.Choices(), p.Targets()
	return d, nil
}

// nobody says why there may be nobody left.
func nobody(habits monkey.Options) string {
	return fmt.Sprintf("all are excluded, or more than %d %% of their service (--share)", habits.Share)
}

// fits says which victim or link of a recorded fault a topology has not got, or
// why the fault is not for it.
func fits(r chaos.Resolved, t topology.System) error {
	for _, name := range r.Instances {
		if !slices.ContainsFunc(t.Instances(), func(in topology.Instance) bool { return in.Name == name }) {
			return fmt.Errorf("%s: %s has no instance %q", r.ID, t.Name, name)
		}
	}
	for _, l := range r.Links {
		if !slices.Contains(t.Links(), l) {
			return fmt.Errorf("%s: %s has no link %s", r.ID, t.Name, l)
		}
	}
	if err := fault.Fit(r, t); err != nil {
		return fmt.Errorf("%s (%s): %w", r.ID, r.Action, err)
	}
	return nil
}
