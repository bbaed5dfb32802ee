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
	leftOut []string                 // faults that this engine cannot do, each with the reason
	faults  iter.Seq[chaos.Resolved] // as far as it is known now
}

// deeds reads what is to be done; nothing is started yet.
func (o MonkeyOptions) deeds(base Options) (deeds, error) {
	d := deeds{named: map[string]bool{}}
	var err error
	if o.Replay != "" {
		if o.Catalogue != "" || len(o.Weights) > 0 {
			return d, usage("a replay does what was recorded: it takes no catalogue and no weights")
		}
		d.replay, err = readReplay(o.Replay)
	} else {
		d.choices, err = o.choices(d.named)
	}
	if err != nil {
		return d, err
	}
	e, err := base.engine()
	if err != nil {
		return d, err
	}
	if m, ok := e.(deploy.Modeler); ok {
		model := m.Model()
		if d, err = d.without(func(k fault.Kind) error {
			if k.Needs.Within(model) {
				return nil
			}
			return fmt.Errorf("engine %s has not got all that it needs (%s)%s: %w", e.Name(), k.Needs, instead(k.Name, e.Name()), errors.ErrUnsupported)
		}); err != nil {
			return d, err
		}
	}
	config, err := d.config(o.Habits, base.topology())
	if err != nil {
		return d, usage("%w", err)
	}
	d.faults, d.choices = config.Faults, config.Choices
	return d, nil
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

// without leaves out the faults that lack says cannot be. What somebody has
// named is refused, before anything is harmed; so is a recording.
func (d deeds) without(lack func(fault.Kind) error) (deeds, error) {
	lacks := map[string]error{}
	for _, k := range fault.Kinds() {
		if err := lack(k); err != nil {
			lacks[k.Name] = fmt.Errorf("%s: %w", k.Name, err)
		}
	}
	for _, r := range d.replay {
		if err := lacks[r.Action]; err != nil {
			return d, fmt.Errorf("the recording cannot be replayed: %w", err)
		}
	}
	var able []monkey.Choice
	for _, c := range d.choices {
		err := lacks[c.Fault]
		switch {
		case err == nil:
			able = append(able, c)
		case d.named[c.Fault] && c.Weight > 0:
			return d, err
		case !slices.Contains(d.leftOut, err.Error()):
			d.leftOut = append(slices.Clip(d.leftOut), err.Error())
		}
	}
	d.choices = able
	return d, nil
}

// config is the monkey's, as far as what it does goes.
func (d deeds) config(habits monkey.Options, t topology.System) (monkey.Config, error) {
	c := monkey.Config{Topology: t, Caps: habits.Caps, Seed: habits.Seed, Start: habits.Start}
	if d.replay != nil {
		// What cannot be done to this system is refused now, not at its time.
		for _, r := range d.replay {
			if err := fits(r, t); err != nil {
				return c, err
			}
		}
		c.Faults, c.Origin = slices.Values(d.replay), monkey.Replayed
		return c, nil
	}
	p, err := monkey.NewPlan(habits, d.choices, t)
	if err != nil {
		return c, err
	}
	c.Faults, c.Origin, c.Choices = p.All(), monkey.Scheduled, p.Choices()
	return c, nil
}

// fits says which victim or link of a recorded fault a topology has not got.
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
	return nil
}
