// Package impair has the kernel harm instances: their packets, their share of
// the processor, their memory, files, disk or clock. Each kind of harm is one
// file, registered under its name; [Kinds] lists them.
//
// [New] gives a [Plane], which an engine's system has for its
// [deploy.Impairer]: it says where the instances are ([Target]), and the plane
// does the rest, the same for every kind and engine:
//
//	Impair  ─ write down what is to be done → write down what was there before
//	          → start the holder, if the kind has one → apply → read back
//	Repair  ─ undo by what stands there → end the holder → read back → strike it out
//	Started ─ what a new life of an instance does not show is applied again
//
// All of it stands in files, so that another process can undo what this one
// did. What needs somebody alive, such as a queue for packets, is done by a
// holder: a process of `bedlam impair` that ends when whoever started it does,
// so that the harm lifts by itself; see [Held].
//
// To add a kind, write one file: a type with the methods of [Harm], and a line
// in init that registers how it is made of an impairment.
package impair

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/disk"
)

// A Target is one instance as the kernel knows it at this moment. What it does
// not have of its own, and shares with the machine, is empty.
type Target struct {
	Instance string `json:"instance"`
	// PID is its main process, 0 while it is down; with Start, which is in the
	// kernel's own unit, it names one life of it for good.
	PID   int    `json:"pid,omitempty"`
	Start uint64 `json:"start,omitempty"`
	// Net is the path of its network namespace, which outlives its processes
	// where an engine pins it; Device is its way out of there, and Spared are
	// addresses of the run's own record (telemetry), which no harm may touch.
	Net    string           `json:"net,omitempty"`
	Device string           `json:"device,omitempty"`
	Spared []netip.AddrPort `json:"spared,omitempty"`
	// Cgroups are its own folders: by controller (cpu, memory, pids …) with
	// cgroups v1, by "" with v2. They outlive its processes.
	Cgroups map[string]string `json:"cgroups,omitempty"`
	Data    string            `json:"data,omitempty"` // its own folder
	// Beside says that whoever reads this is in the instance's namespaces and
	// cgroups himself.
	Beside bool      `json:"beside,omitempty"`
	Disk   disk.Disk `json:"disk,omitzero"` // which that folder is, if it is one of its own
}

// Cgroup returns the folder in which a controller's files of the target stand,
// and whether they are of cgroups v2; empty if it has none of its own.
func (t Target) Cgroup(controller string) (folder string, v2 bool) {
	if folder, v2 = t.Cgroups[""]; v2 {
		return folder, true
	}
	return t.Cgroups[controller], false
}

// SameLife reports whether both are the same life of an instance, which runs.
func (t Target) SameLife(as Target) bool {
	return t.PID != 0 && t.PID == as.PID && t.Start == as.Start
}

// A Harm is one kind with its arguments, to be done to one target at a time.
type Harm interface {
	// Can reports what is missing to do it to t, without touching anything:
	// the error wraps [errors.ErrUnsupported], see [Lacks].
	Can(t Target) error
	// Apply does it. Before its first change it calls save, if Undo needs to
	// know what was there before: what is given stands on the disk, as JSON,
	// when save returns.
	Apply(ctx context.Context, t Target, save func(before any) error) error
	// Undo takes it away; before is what save was given last, empty if
	// nothing. It is also called for what was applied in part or not at all,
	// and twice. t is the target as it is now: perhaps down, perhaps in
	// another life than that to which it was done.
	Undo(ctx context.Context, t Target, before json.RawMessage) error
	// Shows reports whether the kernel has it in force on t.
	Shows(ctx context.Context, t Target) (bool, error)
}

// Held is a harm that needs somebody alive. Its holder is started before Apply
// and ended before Undo; if it dies, Shows must be false.
type Held interface {
	Harm
	// Hold is what the holder does until ctx is done, which it then leaves as
	// if it had never been. It calls ready when Apply may go on.
	Hold(ctx context.Context, t Target, ready func()) error
}

// Packets is a harm to the packets of a network namespace.
type Packets interface {
	Harm
	// Try does it in a namespace that nobody lives in and that goes afterwards:
	// the error wraps [errors.ErrUnsupported] if the kernel does not do it.
	Try(net string) error
}

// Lacks returns an error that wraps [errors.ErrUnsupported]: what is missing,
// and what would give it.
func Lacks(missing, remedy string) error {
	return fmt.Errorf("%s (%s): %w", missing, remedy, errors.ErrUnsupported)
}

var kinds = map[string]func(deploy.Impairment) (Harm, error){}

// register adds a kind. Two of one name are a mistake in this package.
func register(kind string, build func(deploy.Impairment) (Harm, error)) {
	if _, twice := kinds[kind]; twice {
		panic("impair: " + kind + " is registered twice")
	}
	kinds[kind] = build
}

// Kinds returns the names of every kind that this operating system could do.
func Kinds() []string {
	var all []string
	for kind := range kinds {
		all = append(all, kind)
	}
	slices.Sort(all)
	return all
}

// Build makes the harm that i speaks of. The error says what is wrong with its
// arguments; that of a kind which nobody here knows wraps [errors.ErrUnsupported].
func Build(i deploy.Impairment) (Harm, error) {
	build, ok := kinds[i.Kind]
	if !ok {
		return nil, Lacks("this operating system has no "+i.Kind, "want one of "+strings.Join(Kinds(), ", "))
	}
	h, err := build(i)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", i.Kind, err)
	}
	return h, nil
}

// decode reads arguments strictly into v: an unknown one is refused.
func decode(args []byte, v any) error {
	if len(args) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(args))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("more than one value as arguments")
	}
	return nil
}
