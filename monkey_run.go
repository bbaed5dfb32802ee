package bedlam

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/fault"
	"github.com/bedlamlab/bedlam/chaos/monkey"
	"github.com/bedlamlab/bedlam/chaos/runner"
	"github.com/bedlamlab/bedlam/loadgen"
)

// A monkeyRun is one monkey's, from its folder to its summary.
type monkeyRun struct {
	MonkeyOptions
	base      Options
	deeds     deeds
	customers bool

	plan    chaos.Plan
	folder  string
	control net.Listener
	front   net.Listener
	m       *monkey.Monkey
}

func (r *monkeyRun) do(ctx context.Context) (MonkeyOutcome, error) {
	if err := r.base.able(ctx); err != nil {
		return MonkeyOutcome{}, err
	}
	// Before anything is made; and what an earlier run has paused is not the doing
	// of a system's owner.
	if err := healFor(ctx, r.base, r.base.Engine); err != nil {
		return MonkeyOutcome{}, err
	}
	if r.base.System != "" {
		if err := r.base.ready(ctx); err != nil {
			return MonkeyOutcome{}, err
		}
	}
	if err := r.listen(); err != nil {
		return MonkeyOutcome{}, errors.Join(err, r.hangUp())
	}
	began := time.Now()
	var err error
	if r.folder, err = runFolder(r.Out, began, "monkey"); err != nil {
		return MonkeyOutcome{}, errors.Join(err, r.hangUp())
	}
	r.plan = chaos.Plan{Schema: planSchema, Run: runID(began), Seed: r.base.Seed, Suite: "monkey", Engine: r.base.Engine, Isolation: r.base.Isolation, System: r.base.System, Lacks: r.base.lacks(),
		Version: Version, Commit: commit(), Machine: Machine(), Rate: r.base.Rate, Arrivals: r.base.Arrivals, Topology: r.base.topology(), Started: began.UTC()}
	err = errors.Join(writeJSON(r.folder, planFile, r.plan),
		writeJSON(r.folder, scheduleFile, chaos.Schedule{Schema: scheduleSchema, Seed: r.base.Seed, Suite: "monkey"}))
	if err == nil {
		err = r.record(ctx)
	}
	err = errors.Join(err, r.hangUp())
	r.base.Observe(Status{Step: "judging"})
	return r.outcome(err)
}

// listen takes the addresses before anything is made: one that is taken is
// told in time.
func (r *monkeyRun) listen() (err error) {
	if r.Control != "" {
		if r.control, err = monkey.Listen(r.Control); err != nil {
			return usage("%w", err)
		}
	}
	if r.Listen != "" && r.base.System == "" {
		if r.front, err = net.Listen("tcp", r.Listen); err != nil {
			return usage("the storefront cannot listen on %s: %w; name another with --listen", r.Listen, err)
		}
	}
	return nil
}

func (r *monkeyRun) hangUp() error {
	for _, l := range []net.Listener{r.control, r.front} {
		if l == nil {
			continue
		}
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) { // its server has closed it
			return err
		}
	}
	return nil
}

// record brings the system up, lets the monkey loose and takes it down.
func (r *monkeyRun) record(ctx context.Context) (err error) {
	journal, err := runner.CreateJournal(filepath.Join(r.folder, journalFile))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, journal.Close()) }()
	// Requests may be harmed on any of these links: they are read from the first
	// byte, so that no connection has to be broken for it.
	aware := fault.Aware(chaos.Schedule{Experiments: []chaos.ScheduledExperiment{{Faults: r.deeds.targets}}})
	s, err := open(ctx, r.base, r.plan.Run, r.folder, r.plan.Topology, aware...)
	if err != nil {
		return err
	}
	runErr := r.loose(ctx, s, journal)
	r.base.Observe(Status{Step: r.base.farewell(r.plan.Topology.Name)})
	s.hurried = runErr != nil
	return errors.Join(runErr, s.close(context.WithoutCancel(ctx)))
}

// loose lets the monkey at a system that is up, under load, until it is over;
// then it waits for quiet and audits.
func (r *monkeyRun) loose(ctx context.Context, s *session, journal *runner.Journal) (err error) {
	if r.base.Engine == attached {
		if err := before(ctx, s.system, r.folder); err != nil {
			return err
		}
	}
	if r.customers {
		s.crowd()
	}
	if r.deeds, err = r.deeds.able(s.system); err != nil {
		return errors.Join(err, journal.Write(chaos.Entry{Kind: chaos.Unsupported, Detail: err.Error()}))
	}
	start := time.Now()
	history, err := loadgen.Create(filepath.Join(r.folder, historyFile), loadgen.Header{Schema: loadgen.Schema, Run: r.plan.Run, Start: start, Seed: r.base.Seed, Rate: r.base.Rate})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, history.Close()) }()
	if err := journal.Write(chaos.Entry{Kind: chaos.RunStarted}); err != nil {
		return err
	}
	var g *loadgen.Generator
	if r.customers {
		if g, err = s.load(context.WithoutCancel(ctx), r.base, start, history); err != nil {
			return err
		}
	}
	if err := r.play(ctx, s, journal, g, start); err != nil {
		return err
	}
	// Who ends it waits for the audit, but not for ever.
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*quietMost)
	defer cancel()
	if g != nil {
		r.base.Observe(Status{Step: "waiting for the last customers, and for quiet"})
		g.StopArrivals()
		drain, cancel := context.WithTimeout(end, quietMost)
		defer cancel()
		if err := g.Drain(drain); err != nil {
			return fmt.Errorf("waiting for the last customers: %w", err)
		}
	}
	return settle(end, s.system, journal, r.folder)
}

// play is the monkey's own part; when it returns nothing is on.
func (r *monkeyRun) play(ctx context.Context, s *session, journal *runner.Journal, g *loadgen.Generator, start time.Time) (err error) {
	r.Habits.Start = start
	if r.deeds, err = r.deeds.on(r.plan.Topology, r.Habits); err != nil {
		return err
	}
	config := monkey.Config{Topology: r.plan.Topology, Caps: r.Habits.Caps, Seed: r.Habits.Seed, Start: start,
		Faults: r.deeds.faults, Origin: r.deeds.origin, Choices: r.deeds.choices, Check: fault.Check}
	recording, err := monkey.CreateRecording(filepath.Join(r.folder, recordingFile),
		monkey.Header{System: r.plan.Topology.Name, Engine: r.base.Engine, Origin: config.Origin, Options: r.Habits})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, recording.Close()) }()
	diary, err := startDiary(ctx, s.collector.URL(), r.plan.Topology.Name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, diary.close(ctx)) }()
	config.Hand = hand{&runner.Life{System: s.system, Journal: journal, Build: fault.Build, Supported: fault.Supported}}
	config.Record, config.Lease = recording.Write, s.leased
	config.Supported = func(f chaos.Resolved) error {
		if err := fault.Fit(f, r.plan.Topology); err != nil {
			return err
		}
		return fault.Supported(f, s.system)
	}
	config.Observe = func(e monkey.Event) {
		diary.write(e)
		if r.Tell != nil {
			r.Tell(e)
		}
	}
	if g != nil {
		config.Goodput = func() (float64, int) { return g.Live().Last(goodputOver).Goodput() }
	}
	r.m = monkey.New(config)
	close, err := r.serve(s)
	if err != nil {
		return err
	}
	defer close()
	if r.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.For)
		defer cancel()
	}
	runErr := r.m.Run(ctx)
	if lost := s.leased(); lost != nil {
		if runErr == nil { // it came to its end before it noticed
			runErr = lost
		}
		return errors.Join(runErr, journal.Write(chaos.Entry{Kind: chaos.LeaseLost, Detail: lost.Error()}))
	}
	return runErr
}

// goodputOver is the stretch over which the metrics' goodput is taken: about a
// thousand requests at the default rate.
const goodputOver = 10 * time.Second

// serve opens the storefront and the control API; the function closes both.
func (r *monkeyRun) serve(s *session) (close func(), err error) {
	urls := MonkeyURLs{URLs: URLs{Folder: r.folder}}
	var servers []*http.Server
	if r.front != nil {
		front, err := storefront(s)
		if err != nil {
			return nil, err
		}
		urls.Storefront = "http://" + r.front.Addr().String()
		server := &http.Server{Handler: front, ReadHeaderTimeout: 5 * time.Second}
		servers = append(servers, server)
		go server.Serve(r.front) // ends with Close
	}
	if r.control != nil {
		urls.Token, urls.TokenFile = monkey.NewToken(), filepath.Join(r.folder, tokenFile)
		if err := os.WriteFile(urls.TokenFile, []byte(urls.Token+"\n"), 0o600); err != nil {
			return nil, errors.Join(err, closeAll(servers))
		}
		if urls.Control = r.control.Addr().String(); r.control.Addr().Network() == "unix" {
			urls.Control = r.Control
		}
		server := monkey.Control(r.m, urls.Token)
		servers = append(servers, server)
		go server.Serve(r.control) // ends with Close
	}
	if r.Ready != nil {
		r.Ready(urls)
	}
	return func() { _ = closeAll(servers) }, nil // hangUp says what is wrong with a listener
}

func closeAll(servers []*http.Server) error {
	var errs []error
	for _, s := range servers {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// A hand leads the monkey's faults through the life that a run's have.
type hand struct{ life *runner.Life }

// Inject implements [monkey.Hand].
func (h hand) Inject(ctx context.Context, r chaos.Resolved) (monkey.Grip, error) {
	f, err := h.life.Inject(ctx, r)
	if f == nil {
		return nil, err
	}
	return f, err
}
