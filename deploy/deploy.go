// Package deploy holds what it means to run a system: engines bring one up, a
// running [System] is asked for powers over its instances and links. The
// package does nothing itself; the folders below do.
//
// A fault asks for the one power it needs:
//
//	killer, err := deploy.Power[deploy.Killer](system)
//
// and an engine that has not got it answers [errors.ErrUnsupported].
package deploy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/bedlamlab/bedlam/topology"
)

// An Engine knows one way of running a system.
type Engine interface {
	Name() string
	// Up starts the system and returns when every instance is ready. On error
	// nothing is left running.
	Up(ctx context.Context, p Plan) (System, error)
	// Attach finds the system that an earlier process started in scratch, so
	// that its faults can be lifted. Its powers work; its supervisor does not.
	// Who does not take it down closes it, if it is an [io.Closer] (see [Power]).
	Attach(ctx context.Context, scratch string) (System, error)
	// Sweep ends and removes all that a run left: processes, containers,
	// folders. It needs nothing but the run's scratch folder, is idempotent,
	// and returns when a read-back shows that nothing is left that anybody could
	// remove: an engine's own documentation says what that may be.
	Sweep(ctx context.Context, run, scratch string) error
}

// A Checker is an engine that may not be able to run anything on this machine,
// and says why in one line before anything is begun.
type Checker interface {
	Check(ctx context.Context) error
}

// A Plan is what an engine is asked to bring up.
type Plan struct {
	Run       string // the run's id, unique on this machine
	Topology  topology.System
	Shop      string // path of the shop binary
	Bedlam    string // path of the bedlam binary, which is also the relay
	Scratch   string // the run's own folder: data, sockets, state; exists and is empty
	Logs      string // folder for one log file an instance
	Telemetry string // base URL of an OTLP/HTTP endpoint, or empty
	// Aware are the links whose requests may be harmed: they are read from the
	// first byte. Links that are not named can be harmed so too, but lose their
	// connections when such a rule comes.
	Aware []topology.Link
	// Names has instances told names instead of addresses, and a name server that
	// knows them, on an engine that can: its system is a [Namer] then.
	Names bool
	// Disks has each store keep its files on a disk of its own, which can fail,
	// where the machine can: see package disk for what that takes.
	Disks bool
	// Observe is told of each crash and restart; it must not block. May be nil.
	Observe func(Event)
	// Progress is told in a few words what is being done. May be nil.
	Progress func(string)
}

// An Event is something that happened to an instance, or to the relay.
type Event struct {
	Time     time.Time `json:"time"`
	Kind     string    `json:"kind"` // started, found, ready, exited, restarting, stopped, paused, resumed, held, released
	Instance string    `json:"instance"`
	Detail   string    `json:"detail,omitempty"`
}

// A System is a running system.
type System interface {
	Topology() topology.System
	// Address returns where caller (an instance, or loader-1) reaches callee
	// (an instance): the edge's relay. With an empty caller it returns the
	// callee's own address, past every relay.
	Address(caller, callee string) (string, error)
	// Down stops everything and removes the scratch folder's contents.
	Down(ctx context.Context) error
}

// A Phase is what an instance is doing.
type Phase string

// The phases of an instance.
const (
	Running Phase = "running"
	Paused  Phase = "paused"
	Down    Phase = "down" // not running; a supervisor may be about to start it
)

// A State is what a read-back of one instance shows.
type State struct {
	Phase  Phase
	PID    int  // 0 unless the instance runs or is paused as a process of this machine
	Starts int  // how often it has been started in this run, from 1
	Ready  bool // it answers its health check
	Held   bool // its supervisor is told not to restart it
	// OOMKills is how many of its lives the kernel has ended for want of
	// memory, as far as its supervisor was told; 0 where nobody tells.
	OOMKills int
}

// The powers that an engine may have. Each takes an instance's name.
type (
	// An Inspector reads an instance's true state back from the machine.
	Inspector interface {
		Inspect(ctx context.Context, instance string) (State, error)
	}
	// A Killer ends an instance at once, as a crash does (SIGKILL to all of
	// its processes). Its supervisor restarts it.
	Killer interface {
		Kill(ctx context.Context, instance string) error
	}
	// An Exhauster makes the kernel end an instance for want of memory, as it
	// does with one that leaks: the instance may not take more than its limit,
	// and something beside it takes all of that. It returns when the instance
	// has ended. Its supervisor restarts it.
	Exhauster interface {
		Exhaust(ctx context.Context, instance string) error
	}
	// A Stopper asks an instance to end, as a deployment does (SIGTERM). Its
	// supervisor restarts it.
	Stopper interface {
		Stop(ctx context.Context, instance string) error
	}
	// A Pauser freezes an instance and thaws it. Both are idempotent; a
	// resumed instance that has died meanwhile is no error.
	Pauser interface {
		Pause(ctx context.Context, instance string) error
		Resume(ctx context.Context, instance string) error
	}
	// A Holder keeps a supervisor from restarting an instance, and lets it
	// again. Both are idempotent. Release starts the instance if it is down.
	Holder interface {
		Hold(ctx context.Context, instance string) error
		Release(ctx context.Context, instance string) error
	}
	// A Shaper programs the relays on the links. Shape replaces the rule of
	// the same ID; Unshape of an unknown ID is no error.
	Shaper interface {
		Shape(ctx context.Context, r Rule) error
		Unshape(ctx context.Context, id string) error
		Rules(ctx context.Context) ([]Rule, error)
	}
	// A Teller tells which requests a rule about requests has harmed, also
	// after it was taken away: nothing of a rule that was never there.
	Teller interface {
		Touched(ctx context.Context, rule string) (Touched, error)
	}
	// A Filer says in which folder of this machine an instance keeps its files,
	// as the instance sees them, and in which one beside it nobody does, that is
	// swept with the run: what goes wrong in one alone is the instance's disk.
	Filer interface {
		Files(instance string) (own, beside string, err error)
	}
	// A Databaser says how to reach a store as a role, past every relay.
	Databaser interface {
		DSN(store, role string) (string, error)
	}
	// A Namer's instances find one another by names, at a name server of the run's
	// own. LookUp puts n questions there for callee's address as caller does, from
	// where caller stands, and waits for each answer no longer than patience.
	Namer interface {
		LookUp(ctx context.Context, caller, callee string, n int, patience time.Duration) ([]Answer, error)
	}
	// An Insider says how to log in at a store as one of the services that keep
	// their data there, past every relay: with that service's rights and no more.
	Insider interface {
		Login(store, service string) (string, error)
	}
)

// Touched is what a rule about requests has done; of one about names, the
// requests are questions, and have no traces.
type Touched struct {
	Requests int64 `json:"requests"`
	// Traces are the trace ids of the first of them, ten thousand on each
	// link, as 32 hexadecimal digits; one that has none is not among them.
	Traces []string `json:"traces,omitempty"`
}

// An Answer is what one question for a name came to.
type Answer struct {
	Code string        `json:"code"` // as DNS writes it, such as NOERROR or SERVFAIL; empty: there was none in time
	Took time.Duration `json:"took"`
}

// AuditRole is the database role that may read the audit_* views and nothing else.
const AuditRole = "audit"

// A Direction is the way of a link that a rule changes.
type Direction string

// The directions, as Chaos Mesh names them, seen from the caller.
const (
	To   Direction = "to"   // from caller to callee: requests
	From Direction = "from" // from callee to caller: responses
	Both Direction = "both"
)

// A Rule is one change to the behaviour of some links.
type Rule struct {
	ID        string          `json:"id"`
	Links     []topology.Link `json:"links"`
	Direction Direction       `json:"direction"`
	// Kind names the change: latency, partition, bandwidth … The relay's own
	// documentation lists the kinds and the arguments of each.
	Kind string          `json:"kind"`
	Args json.RawMessage `json:"args,omitempty"`
	// Toxicity is the share of connections that meet the rule, above 0 and up
	// to 1; 0 is absent, which is 1. It is drawn once for each connection of a
	// link, live or new, from Seed.
	Toxicity float64 `json:"toxicity,omitempty"`
	// Established spares the setting-up of connections: only those that stand
	// meet the rule.
	Established bool `json:"established,omitempty"`
	// TTL bounds the rule's life: a relay that hears nothing for so long
	// drops it by itself. At least 1 s.
	TTL  topology.Duration `json:"ttl"`
	Seed uint64            `json:"seed"` // of its random draws
}

// Power returns s as P, looking through wrappers that have an
// Unwrap() System method. The error wraps [errors.ErrUnsupported] and names
// what is missing; a system with a method Lacks(power string) string says there
// what would give it, if it knows.
func Power[P any](s System) (P, error) {
	name, why := reflect.TypeFor[P]().Name(), ""
	for at := s; at != nil; {
		if p, ok := at.(P); ok {
			return p, nil
		}
		if l, ok := at.(interface{ Lacks(power string) string }); ok && why == "" {
			if text := l.Lacks(name); text != "" {
				why = " (" + text + ")"
			}
		}
		w, ok := at.(interface{ Unwrap() System })
		if !ok {
			break
		}
		at = w.Unwrap()
	}
	var none P
	return none, fmt.Errorf("this engine has no %s%s: %w", name, why, errors.ErrUnsupported)
}
