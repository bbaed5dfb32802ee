package monkey_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"pgregory.net/rapid"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/fault"
	"github.com/bedlamlab/bedlam/chaos/monkey"
	"github.com/bedlamlab/bedlam/services"
	"github.com/bedlamlab/bedlam/topology"
)

// A hand harms nobody and remembers what it did.
type hand struct {
	mu      sync.Mutex
	on      map[string]bool
	most    int // on at once
	done    []string
	refuse  error         // before anything is touched
	fail    error         // halfway
	stuck   error         // what is on cannot be lifted
	unseen  error         // what probes see instead
	slow    time.Duration // an injection takes as long
	proving time.Duration // and a lift's proof
}

type grip struct {
	h   *hand
	r   chaos.Resolved
	ctx context.Context
}

func (h *hand) say(text string) { h.done = append(h.done, text) }

func (h *hand) Inject(ctx context.Context, r chaos.Resolved) (monkey.Grip, error) {
	if h.refuse != nil {
		return nil, h.refuse
	}
	h.mu.Lock()
	if h.on == nil {
		h.on = map[string]bool{}
	}
	h.on[r.ID] = true
	h.most = max(h.most, len(h.on))
	h.say("inject " + r.ID)
	h.mu.Unlock()
	select {
	case <-time.After(h.slow):
	case <-ctx.Done():
		return &grip{h, r, ctx}, ctx.Err()
	}
	return &grip{h, r, ctx}, h.fail
}

func (g *grip) Proof() (string, error) {
	select {
	case <-time.After(100 * time.Millisecond):
		return "sees it", g.h.unseen
	case <-g.ctx.Done():
		return "", g.ctx.Err()
	}
}

func (g *grip) Lift(ctx context.Context, lifted func()) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	g.h.mu.Lock()
	defer g.h.mu.Unlock()
	if g.h.stuck != nil {
		return g.h.stuck
	}
	lifted()
	g.h.mu.Unlock()
	time.Sleep(g.h.proving) // in the bubble's time
	g.h.mu.Lock()
	delete(g.h.on, g.r.ID)
	g.h.say("lift " + g.r.ID)
	return nil
}

// each is a schedule of these.
func each(rs ...chaos.Resolved) iter.Seq[chaos.Resolved] { return slices.Values(rs) }

// harm is one of an instance.
func harm(n int, at, duration time.Duration, action string, instances ...string) chaos.Resolved {
	return chaos.Resolved{ID: fmt.Sprintf("monkey/%d", n), Action: action, Instances: instances, At: topology.Duration(at), Duration: topology.Duration(duration)}
}

func config(h *hand, faults iter.Seq[chaos.Resolved]) monkey.Config {
	return monkey.Config{Topology: services.Shop(), Caps: monkey.Defaults().Caps, Start: time.Now(), Faults: faults, Origin: monkey.Scheduled, Hand: h, Check: fault.Check}
}

// outcome is what a history comes to, a line a fault.
func outcome(m *monkey.Monkey) (all []string) {
	for _, f := range m.History() {
		line := fmt.Sprintf("%s %s %t", f.ID, f.State, f.Proven)
		if f.Reason != "" {
			line += ": " + f.Reason
		}
		all = append(all, line)
	}
	return all
}

func want(t *testing.T, m *monkey.Monkey, lines ...string) {
	t.Helper()
	if diff := cmp.Diff(lines, outcome(m)); diff != "" {
		t.Error(diff)
	}
}

// TestAScheduleIsFollowed from its first fault to the proof that the last is
// gone: one is left out because another is on, one because it was paused.
func TestAScheduleIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hand{}
		var recorded []string
		c := config(h, each(harm(1, 1*time.Second, 5*time.Second, "kill", "cart-1"), harm(2, 2*time.Second, time.Second, "kill", "orders-1"),
			harm(3, 20*time.Second, time.Second, "pause", "cart-1"), harm(4, 40*time.Second, time.Second, "pause", "cart-2")))
		c.Record = func(r chaos.Resolved) error { recorded = append(recorded, r.ID); return nil }
		m := monkey.New(c)
		time.AfterFunc(15*time.Second, func() {
			if err := m.Pause(); err != nil || m.Status().State != "paused" || m.Status().Next.ID != "monkey/3" {
				t.Error(err, m.Status())
			}
		})
		time.AfterFunc(25*time.Second, func() {
			if err := m.Resume(); err != nil {
				t.Error(err)
			}
		})
		if err := m.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		want(t, m, "monkey/1 gone true", "monkey/2 left-out false: 1 fault is on already, and at most 1 may be at once",
			"monkey/3 left-out false: the monkey is paused", "monkey/4 gone true")
		if diff := cmp.Diff([]string{"monkey/1", "monkey/4"}, recorded); diff != "" {
			t.Error(diff)
		}
		s := m.Status()
		if s.State != "ended" || s.Counts != (monkey.Counts{Injected: 2, Proven: 2, Gone: 2, LeftOut: 2}) || len(s.Live) > 0 || s.Next != nil {
			t.Errorf("%+v", s)
		}
		if f := m.History()[0]; f.Lifted.Sub(f.Injected) != 5*time.Second {
			t.Errorf("it was on for %s", f.Lifted.Sub(f.Injected))
		}
		if _, err := m.Inject(monkey.Ask{Fault: "kill", Selector: chaos.Selector{Services: []string{"cart"}}, Duration: topology.Duration(time.Second)}); !errors.Is(err, monkey.ErrEnded) {
			t.Errorf("it has ended and injects: %v", err)
		}
	})
}

// TestTheEndLiftsAll: whether it is told to end or its lease is lost, nothing
// stays, and what was on is not held for its time.
func TestTheEndLiftsAll(t *testing.T) {
	lost := errors.New("the lease is lost")
	for _, c := range []struct {
		name  string
		lease bool
		want  error
	}{{"told", false, nil}, {"lease", true, lost}} {
		synctest.Test(t, func(t *testing.T) {
			h := &hand{}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			o := config(h, each(harm(1, time.Second, 5*time.Minute, "kill", "cart-1"), harm(2, time.Hour, time.Second, "kill", "cart-1")))
			begun := time.Now()
			if c.lease {
				ctx = t.Context()
				o.Lease = func() error {
					if time.Since(begun) > 10*time.Second {
						return lost
					}
					return nil
				}
			}
			m := monkey.New(o)
			if err := m.Run(ctx); !errors.Is(err, c.want) {
				t.Errorf("%s: %v", c.name, err)
			}
			if took := time.Since(begun); took > 12*time.Second || len(h.on) > 0 {
				t.Errorf("%s: after %s still on: %v", c.name, took, h.on)
			}
			want(t, m, "monkey/1 gone true")
		})
	}
}

// TestTheEndWaitsForWhatWasAskedForMeanwhile: a schedule that is through ends
// when nothing is on any more, also if somebody asks for a fault just when its
// own last has gone.
func TestTheEndWaitsForWhatWasAskedForMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const long = 5 * time.Second
		h := &hand{}
		m := monkey.New(config(h, each(harm(1, time.Second, 1550*time.Millisecond, "kill", "cart-1"))))
		for n := range 3 { // each a moment after the one before has gone, and before it is looked for, at full tenths of a second
			time.AfterFunc(2551*time.Millisecond+time.Duration(n)*(long+time.Millisecond), func() {
				if _, err := m.Inject(monkey.Ask{Fault: "pause", Selector: chaos.Selector{Instances: []string{"cart-2"}}, Duration: topology.Duration(long)}); err != nil {
					t.Error(err)
				}
			})
		}
		if err := m.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		want(t, m, "monkey/1 gone true", "asked/1 gone true", "asked/2 gone true", "asked/3 gone true")
		for _, f := range m.History()[1:] {
			if on := f.Lifted.Sub(f.Injected); on != long {
				t.Errorf("%s was on for %s, asked for %s", f.ID, on, long)
			}
		}
	})
}

// TestHaltLiftsAtOnce: also what is being injected; and nothing comes after it.
func TestHaltLiftsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hand{slow: 2 * time.Second, proving: 10 * time.Second}
		c := config(h, each(harm(1, time.Second, time.Minute, "kill", "cart-1"), harm(2, 5*time.Second, time.Minute, "kill", "orders-1"),
			harm(3, 20*time.Second, time.Minute, "kill", "payment-1")))
		c.Caps.Simultaneous = 2
		m := monkey.New(c)
		time.AfterFunc(6*time.Second, func() { // one is on, the other half on
			begun := time.Now()
			if err := m.Halt(t.Context()); err != nil {
				t.Error(err)
			}
			if took := time.Since(begun); took > 0 {
				t.Errorf("halting waited %s, for what it need not wait for", took)
			}
			s := m.Status()
			if s.State != "halted" || len(s.Live) != 2 || s.Live[0].State != monkey.Lifted || s.Live[1].State != monkey.Lifted {
				t.Errorf("%+v", s)
			}
			for what, err := range map[string]error{"pause": m.Pause(), "resume": m.Resume(), "again": m.Halt(t.Context())} {
				if !errors.Is(err, monkey.ErrHalted) && what != "again" || what == "again" && err != nil {
					t.Errorf("%s: %v", what, err)
				}
			}
			if _, err := m.Inject(monkey.Ask{Fault: "kill", Selector: chaos.Selector{Services: []string{"cart"}}, Duration: topology.Duration(time.Second)}); !errors.Is(err, monkey.ErrHalted) {
				t.Errorf("it is halted and injects: %v", err)
			}
		})
		if err := m.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(h.on) > 0 || h.most != 2 {
			t.Errorf("on: %v, at most %d", h.on, h.most)
		}
		if got := outcome(m); len(got) != 4 || got[1] != "monkey/2 gone false: context canceled" || !strings.HasPrefix(got[2], "asked/1 left-out") || !strings.HasPrefix(got[3], "monkey/3 left-out") {
			t.Error(got)
		}
	})
}

// TestWhatGoesWrong: nothing that was begun is forgotten.
func TestWhatGoesWrong(t *testing.T) {
	bad := errors.New("no")
	for _, c := range []struct {
		name string
		hand *hand
		rec  error
		err  error
		want string
		n    monkey.Counts
	}{
		{"refused", &hand{refuse: bad}, nil, nil, "monkey/1 left-out false: no", monkey.Counts{LeftOut: 1}},
		{"failed", &hand{fail: bad}, nil, nil, "monkey/1 gone false: no", monkey.Counts{Failed: 1, Gone: 1}},
		{"stuck", &hand{stuck: bad}, nil, bad, "monkey/1 not-lifted true: no", monkey.Counts{Injected: 1, Proven: 1, NotLifted: 1}},
		{"unseen", &hand{unseen: bad}, nil, nil, "monkey/1 gone false", monkey.Counts{Injected: 1, Unproven: 1, Gone: 1}},
		{"unrecorded", &hand{}, bad, nil, "monkey/1 left-out false: no", monkey.Counts{LeftOut: 1}},
	} {
		synctest.Test(t, func(t *testing.T) {
			o := config(c.hand, each(harm(1, time.Second, time.Second, "kill", "cart-1")))
			o.Record = func(chaos.Resolved) error { return c.rec }
			m := monkey.New(o)
			if err := m.Run(t.Context()); !errors.Is(err, c.err) {
				t.Errorf("%s: %v", c.name, err)
			}
			want(t, m, c.want)
			if got := m.Status().Counts; got != c.n {
				t.Errorf("%s: %+v, want %+v", c.name, got, c.n)
			}
			if c.name == "stuck" && (m.Status().State != "halted" || len(m.Status().Live) != 1) {
				t.Errorf("what is stuck is forgotten: %+v", m.Status())
			}
		})
	}
}

// TestAnythingAtAnyTime plays random orders to a monkey of three faults at
// once: the caps hold, and in the end nothing is on.
func TestAnythingAtAnyTime(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		o := options()
		o.Seed, o.Simultaneous, o.Mean, o.Least = rapid.Uint64().Draw(r, "seed"), 3, topology.Duration(4*time.Second), topology.Duration(time.Second)
		p := plan(t, o)
		orders := rapid.SliceOfN(rapid.IntRange(0, 4), 1, 20).Draw(r, "orders")
		synctest.Test(t, func(t *testing.T) {
			h := &hand{slow: 300 * time.Millisecond, proving: 700 * time.Millisecond}
			c := config(h, p.All())
			c.Caps = o.Caps
			m := monkey.New(c)
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- m.Run(ctx) }()
			for _, order := range orders {
				time.Sleep(2 * time.Second) // in the bubble's time
				var err error
				switch order {
				case 0:
					err = m.Pause()
				case 1:
					err = m.Resume()
				case 2:
					if len(orders)%5 == 0 { // seldom: it is the end of the play
						err = m.Halt(ctx)
					}
				default:
					_, _ = m.Inject(monkey.Ask{Fault: "pause", Selector: chaos.Selector{Zones: []string{"a"}}, Duration: topology.Duration(3 * time.Second)})
				}
				if err != nil && !errors.Is(err, monkey.ErrHalted) {
					t.Error(err)
				}
			}
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			if len(h.on) > 0 || h.most > 3 || len(m.Status().Live) > 0 {
				t.Errorf("on in the end: %v; at most %d; %v", h.on, h.most, h.done)
			}
			if n := m.Status().Counts; n.Injected+n.Failed != n.Gone || n.Injected != n.Proven+n.Unproven {
				t.Errorf("%+v", n)
			}
		})
	})
}

func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := config(&hand{}, each(harm(1, time.Second, 3*time.Second, "kill", "cart-1"), harm(2, 2*time.Second, time.Second, "pause", "cart-1")))
		o.Goodput = func() (float64, int) { return 0.75, 4 }
		m := monkey.New(o)
		if err := m.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if wrong, err := testutil.GatherAndLint(m.Registry()); err != nil || len(wrong) > 0 {
			t.Error(wrong, err)
		}
		if err := testutil.GatherAndCompare(m.Registry(), strings.NewReader(`
# HELP bedlam_monkey_faults_total Faults by kind, who decided on them, and what became of them; each is counted at every step of its life.
# TYPE bedlam_monkey_faults_total counter
bedlam_monkey_faults_total{event="gone",fault="kill",origin="schedule"} 1
bedlam_monkey_faults_total{event="injected",fault="kill",origin="schedule"} 1
bedlam_monkey_faults_total{event="left-out",fault="pause",origin="schedule"} 1
bedlam_monkey_faults_total{event="lifted",fault="kill",origin="schedule"} 1
bedlam_monkey_faults_total{event="proven",fault="kill",origin="schedule"} 1
# HELP bedlam_monkey_goodput_ratio Good responses over intended ones, of the customers' last ten seconds.
# TYPE bedlam_monkey_goodput_ratio gauge
bedlam_monkey_goodput_ratio 0.75
# HELP bedlam_monkey_faults_live Faults that are on, or may be.
# TYPE bedlam_monkey_faults_live gauge
bedlam_monkey_faults_live 0
`), "bedlam_monkey_faults_total", "bedlam_monkey_goodput_ratio", "bedlam_monkey_faults_live"); err != nil {
			t.Error(err)
		}
	})
}
