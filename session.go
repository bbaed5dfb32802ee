package bedlam

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/guard"
	"github.com/bedlamlab/bedlam/loadgen"
	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/topology"
)

// welcomeMost bounds the wait for the first pages of a system whose instances
// are all ready: connections back off for at most a second, caches fill once.
const welcomeMost = 15 * time.Second

// downMost bounds the way down: the services drain for at most 3 s, and what is
// left is swept in one more if it is processes. Containers take some ten on a
// machine with two cores, since the kernel tears their networks down one by one.
const downMost = 30 * time.Second

// A session is a system that is up, with its collector, its registration and
// its guard: all that must be gone when it is closed.
type session struct {
	run       string
	engine    deploy.Engine
	scratch   string
	reg       *guard.Registration
	guard     *guard.Process
	collector *collector.Collector
	system    deploy.System
	events    *eventLog
	lease     atomic.Pointer[error] // why the lease is lost
	renewed   atomic.Int64          // when it was renewed last, by the clock that began with the run
	began     time.Time
	stop      func() // ends the heartbeat
	hurried   bool   // somebody waits for the end: services need not finish what they do
}

// open brings a system up, with those links aware of requests. On error nothing
// is left.
func open(ctx context.Context, o Options, run, folder string, t topology.System, aware ...topology.Link) (_ *session, err error) {
	e, err := o.engine()
	if err != nil {
		return nil, err
	}
	state, err := guard.StateDir()
	if err != nil {
		return nil, err
	}
	scratch := o.scratch(state, os.TempDir(), run)
	s := &session{run: run, engine: e, scratch: scratch, began: time.Now(), stop: func() {}}
	s.reg, err = guard.Register(state, guard.Run{ID: run, Engine: o.Engine, Scratch: scratch, Folder: folder,
		Program: o.Bedlam, PID: os.Getpid(), Started: time.Now()})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close(context.WithoutCancel(ctx)))
		}
	}()
	o.Observe(Status{Step: "starting the guard"})
	if s.guard, err = guard.Start(ctx, o.Bedlam, []string{"guard", run}, s.reg); err != nil {
		return nil, fmt.Errorf("starting the guard: %w", err)
	}
	s.heartbeat(ctx)
	if err = os.Mkdir(scratch, 0o755); err != nil {
		return nil, fmt.Errorf("making the scratch folder: %w", err)
	}
	if s.events, err = createEvents(filepath.Join(folder, eventsFile)); err != nil {
		return nil, err
	}
	if s.collector, err = collector.Start(ctx, collector.Options{Dir: folder, Listen: o.file.Telemetry, Forward: o.forward}); err != nil {
		return nil, fmt.Errorf("starting the collector: %w", err)
	}
	logs := filepath.Join(folder, "logs")
	if err = os.MkdirAll(logs, 0o755); err != nil {
		return nil, err
	}
	s.system, err = e.Up(ctx, deploy.Plan{Run: run, Topology: t, Shop: o.Shop, Bedlam: o.Bedlam, Scratch: scratch, Logs: logs,
		Telemetry: s.collector.URL(), Aware: aware, Names: o.names, Disks: o.disks, Observe: s.events.write, Progress: func(text string) { o.Observe(Status{Step: text}) }})
	if err != nil {
		return nil, err // the engine says that it was bringing the system up
	}
	if err = s.welcome(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// heartbeat renews the lease until the session is closed.
func (s *session) heartbeat(ctx context.Context) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	s.stop = func() { cancel(); <-done }
	go func() {
		defer close(done)
		tick := time.NewTicker(guard.Lease / 5)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				s.renew()
			}
		}
	}()
}

func (s *session) renew() {
	if err := s.reg.Renew(); err != nil {
		s.lease.CompareAndSwap(nil, &err)
	}
	s.renewed.Store(int64(time.Since(s.began)))
}

// leased returns an error once the lease was lost. A process that has just
// woken up must not harm anything before its heart has beaten again, so one
// that has missed a beat asks for itself.
func (s *session) leased() error {
	if time.Since(s.began)-time.Duration(s.renewed.Load()) > guard.Lease/2 {
		s.renew()
	}
	if err := s.lease.Load(); err != nil {
		return *err
	}
	return nil
}

// gateways returns the ways into the system.
func (s *session) gateways() ([]loadgen.Gateway, error) {
	var gateways []loadgen.Gateway
	t := s.system.Topology()
	for _, e := range t.Edges {
		if e.From != topology.Loader {
			continue
		}
		for _, in := range t.InstancesOf(e.To) {
			address, err := s.system.Address(topology.Loader+"-1", in.Name)
			if err != nil {
				return nil, err
			}
			gateways = append(gateways, loadgen.Gateway{Instance: in.Name, Address: address})
		}
	}
	return gateways, nil
}

// welcome waits until every gateway serves a page that needs the services
// behind it: a ready instance may still be waiting out the back-off of a
// connection that it tried before its callee was there.
func (s *session) welcome(ctx context.Context) error {
	gateways, err := s.gateways()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, welcomeMost)
	defer cancel()
	for _, g := range gateways {
		for {
			err := homePage(ctx, g.Address)
			if err == nil {
				break
			}
			select {
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
				return fmt.Errorf("%s does not serve its home page: %w", g.Instance, err)
			}
		}
	}
	return nil
}

func homePage(ctx context.Context, address string) error {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/api/home", nil)
	if err != nil {
		return err
	}
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		return err
	}
	defer a.Body.Close()
	if _, err := io.Copy(io.Discard, a.Body); err != nil {
		return err
	}
	if a.StatusCode != http.StatusOK || a.Header.Get("X-Degraded") != "" {
		return fmt.Errorf("status %d, degraded %q", a.StatusCode, a.Header.Get("X-Degraded"))
	}
	return nil
}

// load starts the customers.
func (s *session) load(ctx context.Context, o Options, start time.Time, r loadgen.Recorder) (*loadgen.Generator, error) {
	gateways, err := s.gateways()
	if err != nil {
		return nil, err
	}
	// The collector, not the session's field: requests that are still under way
	// when the session is closed end later, and theirs are not kept.
	c := s.collector
	g, err := loadgen.Start(ctx, loadgen.Config{Run: s.run, Seed: o.Seed, Rate: o.Rate, Arrivals: o.Arrivals, Gateways: gateways,
		Start: start, Recorder: r, Span: func(span collector.Span) { c.Add(span) }})
	if err != nil {
		return nil, err
	}
	s.crowd().load = g
	return g, nil
}

// crowd makes the system one with customers, who may be still to come.
func (s *session) crowd() *crowded {
	c, ok := s.system.(*crowded)
	if !ok {
		c = &crowded{System: s.system}
		s.system = c
	}
	return c
}

// close takes everything down; it may be called on a session half open, and
// twice.
func (s *session) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, downMost)
	defer cancel()
	// What could not be ended or removed is another matter than what could not
	// be written down: a full disk leaves nothing running.
	var left, unwritten error
	if s.system != nil {
		down, giveUp := context.WithCancel(ctx)
		if s.hurried {
			giveUp() // Down then asks nobody to leave by himself
		}
		left = s.system.Down(down)
		giveUp()
		s.system = nil
	}
	if s.collector != nil {
		unwritten = s.collector.Close(ctx)
		s.collector = nil
	}
	if s.events != nil {
		unwritten = errors.Join(unwritten, s.events.close())
		s.events = nil
	}
	left = errors.Join(left, s.engine.Sweep(ctx, s.run, s.scratch))
	s.stop()
	s.stop = func() {}
	if left == nil {
		// With anything left, the registration stays and the guard, or the
		// next start, heals.
		left = s.reg.Close()
	}
	if s.guard != nil && left == nil {
		left = s.guard.Stop(ctx)
		s.guard = nil
	}
	return errors.Join(left, unwritten)
}
