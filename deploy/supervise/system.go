package supervise

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/postgres"
	"github.com/bedlamlab/bedlam/topology"
)

// An Outfit is what an engine gives to what it brings up.
type Outfit struct {
	Machine Machine
	Service func(in topology.Instance, told Told) Body
	Store   func(in topology.Instance, o postgres.Options) Body
	Relay   func(told Told) Body // nil: there is none
	// Guests says that the instances were there before and stay: Down asks
	// nobody to end, and Clear puts right what is down or frozen.
	Guests bool
	// Provision makes a fresh store what o says; nil if it does so itself.
	Provision func(ctx context.Context, o postgres.Options) error
	// Clear ends and removes what is left when every keeper has gone.
	Clear func(ctx context.Context) error
	// EndTime bounds SIGKILL and its read-back.
	EndTime time.Duration
}

// Told returns what a part of the system is told at its start, as JSON: an
// instance its [topology.Assignment], the relay its [relay.Config] with the
// rules that it should have at that moment.
type Told func() ([]byte, error)

// A System is a running system, seen by the process that started it.
type System struct {
	Base
	plan   deploy.Plan
	outfit Outfit

	relay    *unit   // nil: there is none
	units    []*unit // the instances, in the topology's order
	needs    map[*unit]*unit
	hopeless chan hopeless

	life   context.Context // of the keepers
	stop   context.CancelFunc
	disown func()
	once   sync.Once // ends it
	left   error     // what its end could not do

	telling sync.Mutex // events and progress go out one at a time

	opening sync.Mutex
	up      map[string]bool // instances that accept connections
}

// A hopeless unit will not come up.
type hopeless struct {
	unit *unit
	why  error
}

// New returns the system that d describes, of which nothing runs yet: see
// [System.Start]. Its scratch folder has been laid out.
func New(f Files, d Description, p deploy.Plan, o Outfit) *System {
	s := &System{Base: newBase(f, d, o.Machine), plan: p, outfit: o, disown: func() {},
		needs: map[*unit]*unit{}, hopeless: make(chan hopeless, 1), up: map[string]bool{}}
	s.life, s.stop = context.WithCancel(context.Background())
	if o.Relay != nil {
		s.relay = s.relayUnit()
	}
	stores := map[string]*unit{}
	for _, in := range d.Topology.Instances() {
		v, _ := d.Topology.Service(in.Service)
		u := s.unit(in.Name, d.Layout.Own[in.Name])
		if IsStore(v) {
			store := d.Stores[in.Service]
			u.body = o.Store(in, store)
			if o.Provision != nil {
				u.equip = func(ctx context.Context) error { return o.Provision(ctx, store) }
			}
			stores[v.Name] = u
		} else {
			u.body = o.Service(in, func() ([]byte, error) { return s.assign(in, v) })
		}
		s.units = append(s.units, u)
	}
	for i, in := range d.Topology.Instances() {
		if v, _ := d.Topology.Service(in.Service); v.Store != "" {
			s.needs[s.units[i]] = stores[v.Store]
		}
	}
	return s
}

// unit returns what all units have in common.
func (s *System) unit(name, address string) *unit {
	u := &unit{
		name: name, address: address, log: filepath.Join(s.plan.Logs, name+".log"),
		first: firstPause, endTime: s.outfit.EndTime, files: s.Files, tell: s.tell,
		wake: make(chan struct{}, 1), born: make(chan struct{}), ended: make(chan struct{}),
	}
	if s.outfit.Guests {
		u.address = "" // to ask for its health is enough, and the machine knows how
	}
	if s.outfit.Relay != nil {
		u.opened = func(ctx context.Context, up bool) { s.opened(ctx, name, up) }
	}
	u.despair = func(err error) {
		select {
		case s.hopeless <- hopeless{u, err}:
		default: // the first one is the one to hear of
		}
	}
	u.examine = func() (checkup, error) { return s.checkup(name) }
	return u
}

// unitOf returns the unit of an instance; nil if there is none.
func (s *System) unitOf(instance string) *unit {
	if instance == Relay {
		return s.relay
	}
	for _, u := range s.units {
		if u.name == instance {
			return u
		}
	}
	return nil
}

func (s *System) tell(kind, instance, detail string) {
	if s.plan.Observe == nil {
		return
	}
	s.telling.Lock()
	defer s.telling.Unlock()
	s.plan.Observe(deploy.Event{Time: time.Now(), Kind: kind, Instance: instance, Detail: detail})
}

func (s *System) progress(text string) {
	if s.plan.Progress == nil {
		return
	}
	s.telling.Lock()
	defer s.telling.Unlock()
	s.plan.Progress(text)
}

// lastLines returns the end of a log, for an error's text.
func lastLines(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	const much = 2048 // some ten lines
	if size, err := f.Seek(0, io.SeekEnd); err == nil {
		f.Seek(max(0, size-much), io.SeekStart)
	}
	b, _ := io.ReadAll(io.LimitReader(f, much))
	if b = bytes.TrimSpace(b); len(b) == 0 {
		return fmt.Sprintf("; %s is empty", path)
	}
	return fmt.Sprintf("; %s ends with:\n%s", path, b)
}
