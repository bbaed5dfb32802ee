// Package chaos is the vocabulary of an experiment; it does nothing itself.
//
//	          baseline   inject   prove      hold       lift   prove   recover   audit
//	requests  ──────────────┼────────────────────────────┼───────────────────────────▶
//	fault                   └────────────────────────────┘
//
// A [Spec] is what an experiment's file asks for. Resolved against a topology
// and a seed it becomes a [Resolved]: this harm, to these victims, at this
// offset. The journal holds it before anything is harmed, so that any process
// can build the [Fault] again and lift it. What a run leaves behind is a
// [Record]; checks judge a Record into a [Result].
package chaos

import (
	"context"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/topology"
)

// A Fault changes a system for the worse and puts it back.
type Fault interface {
	Inject(ctx context.Context, s deploy.System) error
	// Lift is idempotent, harmless without Inject, and needs nothing but the
	// Resolved that the fault was built from.
	Lift(ctx context.Context, s deploy.System) error
}

// A Prober is a fault that can be seen: its first witness. Probe goes through
// the same edge or to the same instance as the harm.
type Prober interface {
	// Probe asks for the state that injected says; the error says what it
	// saw instead. The text says what it saw, with the figure.
	Probe(ctx context.Context, s deploy.System, injected bool) (saw string, err error)
}

// A Witnessed fault shows in the shop's own traces: its second witness.
type Witnessed interface {
	// Met reports whether this span, which overlaps the fault's window, met
	// the fault.
	Met(s collector.Span) bool
}

// A Passing fault may be over without being lifted, as a crash is whose victim
// is started again at once: what the lift finds is the system's own doing, and
// its recovery begins with the harm.
type Passing interface {
	// Passes reports whether this one is.
	Passes() bool
}

// A Bottleneck is a fault that lets only so many requests through: what the
// system can do then depends on that, and not on the machine.
type Bottleneck interface {
	// Capacity is how many requests a second it lets through at most.
	Capacity() float64
}

// An Accountant is a fault that can be told exactly by which requests it was
// met. Without an account it infers that from spans, by edge and time.
type Accountant interface {
	Witnessed
	// Account says, before the system is gone, which requests met the fault.
	Account(ctx context.Context, s deploy.System) (string, error)
	// Recall tells a fault that was built again what Account said of it.
	Recall(account string) error
}

// A Mode says how many of the selected instances are harmed.
type Mode string

// The modes, as Chaos Mesh names them.
const (
	One     Mode = "one"
	All     Mode = "all"
	Fixed   Mode = "fixed"         // Value of them
	Percent Mode = "fixed-percent" // Value percent of them, rounded up
)

// A Selector picks instances. What is empty does not narrow; a selector that
// is wholly empty is refused.
//
// A zone is all that stands in it, the only replica of a service and a store
// too: that alone makes a step harm more than half of a service, which it must
// state as its share. Tiers narrow a zone to those that are spread over zones.
type Selector struct {
	Services  []string `yaml:"services,omitempty" json:"services,omitempty"`
	Instances []string `yaml:"instances,omitempty" json:"instances,omitempty"`
	Zones     []string `yaml:"zones,omitempty" json:"zones,omitempty"`
	Tiers     []string `yaml:"tiers,omitempty" json:"tiers,omitempty"`
}

// Empty reports whether s narrows nothing.
func (s Selector) Empty() bool {
	return len(s.Services) == 0 && len(s.Instances) == 0 && len(s.Zones) == 0 && len(s.Tiers) == 0
}

// A Spec asks for one harm.
type Spec struct {
	Action    string           // a fault's name
	Selector  Selector         // the victims; for a fault on edges, the callers
	Target    *Selector        // for a fault on edges, the callees
	Mode      Mode             // of Selector; one unless given
	Value     int              // for Fixed and Percent
	Direction deploy.Direction // for a fault on edges; both unless given
	// Args are the fault's own parameters, still as JSON; the fault's decoder
	// is strict about them.
	Args []byte
}

// A Step is one harm and its time.
type Step struct {
	Spec
	At       topology.Duration // from the beginning of the experiment's fault phase
	Duration topology.Duration // 0: to the end of the fault phase
	// Share is the most percent of a service's replicas that it may harm; 50
	// unless given. Counted are the instances that the selector picks, each
	// service for itself: the victims, or for a fault on edges the callers,
	// however many callees they lose. Steps that are on at the same time are
	// held to it together, each with those that state no more than it does.
	Share int
}

// A Resolved is a harm with nothing left to choose: what the schedule and the
// journal hold.
type Resolved struct {
	ID        string            `json:"id"` // experiment/step, unique in the run
	Action    string            `json:"action"`
	Instances []string          `json:"instances,omitempty"` // victims
	Links     []topology.Link   `json:"links,omitempty"`     // for a fault on edges
	Direction deploy.Direction  `json:"direction,omitempty"`
	Args      RawArgs           `json:"args,omitempty"`
	At        topology.Duration `json:"at"`
	Duration  topology.Duration `json:"duration"` // 0: to the end of the fault phase
	Seed      uint64            `json:"seed"`
}

// RawArgs are a fault's parameters as JSON.
type RawArgs []byte

// MarshalJSON returns the parameters as they are.
func (a RawArgs) MarshalJSON() ([]byte, error) {
	if len(a) == 0 {
		return []byte("null"), nil
	}
	return a, nil
}

// UnmarshalJSON keeps a copy of b.
func (a *RawArgs) UnmarshalJSON(b []byte) error { *a = append((*a)[:0], b...); return nil }

// An Experiment is one question to the system.
type Experiment struct {
	Name        string // of the file, without its ending
	Word        string // that names it on the command line: its name, or its file's path
	Title       string
	Description string
	Tags        []string
	Hypothesis  Hypothesis
	Method      []Step
	// Abort is the least share of good responses, over the last 3 s of the
	// fault phase, at which the experiment goes on; 0 never aborts.
	Abort float64
	// Watch is how long the load and the steps without a duration go on when
	// the last of those that have one, the trigger, has been lifted; 0: not.
	Watch topology.Duration
}

// A Hypothesis is what should hold, written down before the run.
type Hypothesis struct {
	Title   string
	Limits  []Limit
	Margins []Margin
}

// A Limit is one line of a hypothesis: a metric of a phase, and its bounds.
type Limit struct {
	Metric string  `json:"metric"`          // goodput, failed, degraded, p50, p99, recovery, amplification, traffic, …
	Phase  string  `json:"phase,omitempty"` // baseline, fault or after; fault unless given
	Class  string  `json:"class,omitempty"` // of requests; empty: all
	Edge   string  `json:"edge,omitempty"`  // from->to; for metrics of edges
	Min    float64 `json:"min"`             // both bounds are included
	Max    float64 `json:"max"`             // seconds for times, shares from 0 to 1
}

// A Schedule is everything that a seed decides: a pure function of seed, suite
// and topology.
type Schedule struct {
	Schema      string                `json:"schema"` // bedlam.schedule/1
	Seed        uint64                `json:"seed"`
	Suite       string                `json:"suite"`
	Experiments []ScheduledExperiment `json:"experiments"`
}

// A ScheduledExperiment is one experiment's part of a schedule.
type ScheduledExperiment struct {
	Name   string     `json:"name"`
	Faults []Resolved `json:"faults"`
}
