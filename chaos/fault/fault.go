// Package fault holds the harms, one a file. Each registers itself under the
// name that experiments use; [Build] makes one of a resolved harm and [Kinds]
// lists them all.
//
// To add a harm, write one file: a struct whose fields are its parameters,
// Inject and Lift, a probe that sees it from outside, the spans that meet it,
// and a line in init that registers it. Lift must need nothing but the
// parameters and the victims, because after a crash another process calls it.
package fault

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/topology"
)

// A Kind is one harm, as the catalogue lists it.
type Kind struct {
	Name   string `json:"name"`
	Doc    string `json:"doc"`    // one sentence
	On     string `json:"on"`     // what it harms: instances, edges, stores or disks
	Needs  Need   `json:"needs"`  // the power that an engine must have
	Params string `json:"params"` // its parameters, as an experiment writes them; empty: none
	// Requests says that it harms requests one by one, so that whoever stands
	// on the edge must read them: see [Aware].
	Requests bool `json:"requests,omitempty"`
	// Load says that it is load: whoever makes the customers makes it, and takes
	// it along when its process ends, so that nobody else has anything to lift.
	Load bool `json:"load,omitempty"`

	build func(chaos.Resolved) (chaos.Fault, error)
}

// A Need is the power, or the powers, that a fault asks an engine for: to harm,
// to see the harm and to undo it.
type Need struct {
	name     string
	has      func(deploy.System) error
	of       func(deploy.Model) bool
	isolates bool // it is for what isolated instances have
	disks    bool // it is for stores that have a disk of their own
	names    bool // and for instances that find one another by names
}

// String returns the names of the powers, the harming one first.
func (n Need) String() string { return n.name }

// MarshalText implements [encoding.TextMarshaler].
func (n Need) MarshalText() ([]byte, error) { return []byte(n.name), nil }

// Of returns an error that wraps [errors.ErrUnsupported] unless the system has
// all that is needed.
func (n Need) Of(s deploy.System) error { return n.has(s) }

// Within reports whether systems of that model have all that is needed.
func (n Need) Within(m deploy.Model) bool { return n.of(m) }

// needs names the power P.
func needs[P any]() Need {
	return Need{name: reflect.TypeFor[P]().Name(), of: deploy.Models[P], has: func(s deploy.System) error {
		_, err := deploy.Power[P](s)
		return err
	}}
}

// apart is the need for a power that only isolated instances have, or have in full.
func (n Need) apart() Need {
	n.isolates = true
	return n
}

// onDisk is the need for a power that only stores with a disk of their own have.
func (n Need) onDisk() Need {
	n.disks = true
	return n
}

// named is the need for a power that only instances have which find one another
// by names.
func (n Need) named() Need {
	n.isolates, n.names = true, true
	return n
}

// and is both needs: what lifting a harm takes is needed before it is done.
func (n Need) and(m Need) Need {
	return Need{name: n.name + ", " + m.name, isolates: n.isolates || m.isolates, disks: n.disks || m.disks, names: n.names || m.names, of: func(s deploy.Model) bool { return n.of(s) && m.of(s) }, has: func(s deploy.System) error {
		if err := n.has(s); err != nil {
			return err
		}
		return m.has(s)
	}}
}

// Isolates reports whether a harm wants instances that are isolated from one
// another: that have a part of the kernel to themselves.
func Isolates(action string) bool {
	k := kinds[action]
	return k.Needs.isolates
}

// Disks reports whether a harm wants stores that have a disk of their own.
func Disks(action string) bool {
	k := kinds[action]
	return k.Needs.disks
}

// Names reports whether a harm wants instances that find one another by names,
// see [deploy.Plan].
func Names(action string) bool { return kinds[action].Needs.names }

// Supported reports, before any harm, whether the system has the power that
// the harm needs, and can do it where it is to be done; if not, the error wraps
// [errors.ErrUnsupported].
func Supported(r chaos.Resolved, s deploy.System) error {
	k, err := find(r.Action)
	if err != nil {
		return err
	}
	if err := k.Needs.has(s); err != nil {
		return fmt.Errorf("%s: %w", r.Action, err)
	}
	f, err := k.build(r)
	if err == nil {
		err = fits(f, r, s.Topology())
	}
	if f, ok := f.(interface{ supported(deploy.System) error }); ok && err == nil { // the power is there, but not for everything
		err = f.supported(s)
	}
	if f, ok := f.(storeFault); ok && err == nil {
		err = f.admitted(s)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", r.Action, err)
	}
	return nil
}

// Fit reports, before anything is started, victims or links that a harm is not
// for: a store's on a service that is none, requests on an edge that has none.
func Fit(r chaos.Resolved, t topology.System) error {
	f, err := Build(r)
	if err != nil {
		return err
	}
	return fits(f, r, t)
}

// A suited fault is not for edges of every protocol.
type suited interface {
	suits(p topology.Protocol) error
}

func fits(f chaos.Fault, r chaos.Resolved, t topology.System) error {
	if f, ok := f.(interface{ fits(topology.System) error }); ok {
		return f.fits(t)
	}
	if f, ok := f.(suited); ok {
		for _, l := range r.Links {
			p, err := protocolOf(t, l)
			if err == nil {
				err = f.suits(p)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// What a fault harms.
const (
	onInstances = "instances"
	onEdges     = "edges"
	onStores    = "stores" // instances that are PostgreSQL servers
	onDisks     = "disks"  // of the same, who alone keep files
)

var kinds = map[string]Kind{}

// register adds a kind. Two of one name are a mistake in this package.
func register(k Kind) {
	if _, twice := kinds[k.Name]; twice {
		panic("fault: " + k.Name + " is registered twice")
	}
	if k.On == onEdges && !k.Needs.names {
		k.Params = strings.TrimPrefix(k.Params+"; "+toxicityParam, "; ")
	}
	kinds[k.Name] = k
}

// Kinds returns every harm, by name.
func Kinds() []Kind {
	var all []Kind
	for _, k := range kinds {
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b Kind) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Build makes the fault that r speaks of. The error says what is wrong with
// it: an unknown action, a misspelt parameter, no victims.
func Build(r chaos.Resolved) (chaos.Fault, error) {
	k, err := find(r.Action)
	if err != nil {
		return nil, err
	}
	if k.On == onEdges && len(r.Links) == 0 {
		return nil, fmt.Errorf("%s: no edge to harm", r.Action)
	}
	if k.On != onEdges && len(r.Instances) == 0 {
		return nil, fmt.Errorf("%s: no instance to harm", r.Action)
	}
	f, err := k.build(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.Action, err)
	}
	return f, nil
}

// Check reports what is wrong with a harm as an experiment asks for it, before
// victims are chosen.
func Check(s chaos.Spec) error {
	k, err := find(s.Action)
	if err != nil {
		return err
	}
	if k.On == onEdges && s.Target == nil {
		return fmt.Errorf("%s harms edges: it needs a target (the callees) beside its selector (the callers)", s.Action)
	}
	if k.On != onEdges && s.Target != nil {
		return fmt.Errorf("%s harms %s: it takes a selector and no target", s.Action, k.On)
	}
	if k.On != onEdges && s.Direction != "" {
		return fmt.Errorf("%s harms %s: it takes no direction", s.Action, k.On)
	}
	if _, err := k.build(chaos.Resolved{Action: s.Action, Args: s.Args, Direction: s.Direction}); err != nil {
		return fmt.Errorf("%s: %w", s.Action, err)
	}
	return nil
}

// Aware returns the links on which a schedule harms requests: those whose
// requests must be read from the first byte, before the baseline.
func Aware(s chaos.Schedule) []topology.Link {
	var all []topology.Link
	for _, e := range s.Experiments {
		for _, r := range e.Faults {
			if kinds[r.Action].Requests {
				all = append(all, r.Links...)
			}
		}
	}
	slices.SortFunc(all, func(a, b topology.Link) int { return strings.Compare(a.String(), b.String()) })
	return slices.Compact(all)
}

func find(action string) (Kind, error) {
	if k, ok := kinds[action]; ok {
		return k, nil
	}
	var names []string
	for _, k := range Kinds() {
		names = append(names, k.Name)
	}
	return Kind{}, fmt.Errorf("unknown fault %q (want one of %s)", action, strings.Join(names, ", "))
}

// decode reads parameters strictly into v: an unknown one is refused.
func decode(args []byte, v any) error {
	if len(args) == 0 || string(args) == "null" {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(args))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("more than one value as parameters")
	}
	return nil
}
