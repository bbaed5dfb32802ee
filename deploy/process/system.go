package process

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/postgres"
)

// A system is a running system, seen by the process that started it.
type system struct {
	base
	plan    deploy.Plan
	ports   *block
	install *postgres.Install

	relay    *unit
	units    []*unit // the instances, in the topology's order
	needs    map[*unit]*unit
	hopeless chan hopeless

	life context.Context // of the keepers
	stop context.CancelFunc
	once sync.Once // ends it
	left error     // what its end could not do

	telling sync.Mutex // events and progress go out one at a time

	opening sync.Mutex
	up      map[string]bool // instances that accept connections
}

// A hopeless unit will not come up.
type hopeless struct {
	unit *unit
	why  error
}

func newSystem(f files, d description, p deploy.Plan, ports *block, install *postgres.Install) *system {
	s := &system{base: newBase(f, d), plan: p, ports: ports, install: install,
		needs: map[*unit]*unit{}, hopeless: make(chan hopeless, 1), up: map[string]bool{}}
	s.life, s.stop = context.WithCancel(context.Background())
	s.relay = s.relayUnit()
	stores := map[string]*unit{}
	for _, in := range d.Topology.Instances() {
		v, _ := d.Topology.Service(in.Service)
		var u *unit
		if isStore(v) {
			u = s.storeUnit(in)
			stores[v.Name] = u
		} else {
			u = s.serviceUnit(in, v)
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
func (s *system) unit(name, address string) *unit {
	u := &unit{
		name: name, address: address, log: filepath.Join(s.plan.Logs, name+".log"),
		first: firstPause, files: s.files, tell: s.tell,
		wake: make(chan struct{}, 1), born: make(chan struct{}), ended: make(chan struct{}),
	}
	u.opened = func(ctx context.Context, up bool) { s.opened(ctx, name, up) }
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
func (s *system) unitOf(instance string) *unit {
	if instance == relayName {
		return s.relay
	}
	for _, u := range s.units {
		if u.name == instance {
			return u
		}
	}
	return nil
}

func (s *system) tell(kind, instance, detail string) {
	if s.plan.Observe == nil {
		return
	}
	s.telling.Lock()
	defer s.telling.Unlock()
	s.plan.Observe(deploy.Event{Time: time.Now(), Kind: kind, Instance: instance, Detail: detail})
}

func (s *system) progress(text string) {
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

func port(address string) int {
	_, p, _ := net.SplitHostPort(address) // ours: always well-formed
	n, _ := strconv.Atoi(p)
	return n
}
