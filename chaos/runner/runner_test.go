package runner_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/runner"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/topology"
)

var update = flag.Bool("update", false, "write the transcripts again; read the diff before you commit")

// A stage is a system under test on which everything is played: what was done
// to it, at which time, is its transcript.
type stage struct {
	mu       sync.Mutex
	start    time.Time
	lines    []string
	on       map[string]bool // live faults
	goodput  func(at time.Duration, on bool) float64
	stuck    bool          // faults cannot be lifted
	unseen   bool          // probes never see an injected fault
	missing  bool          // the system has no power at all
	met      time.Duration // a request meets the fault this often; 0: never
	unmet    string        // the fault that none of them meets
	hangs    string        // what never returns by itself: inject or probe
	shadow   string        // while this fault is on, no probe sees anything
	injected time.Time
}

func (s *stage) Topology() topology.System                   { return topology.System{Name: "stage"} }
func (s *stage) Address(string, string) (string, error)      { return "", errors.ErrUnsupported }
func (s *stage) Down(context.Context) error                  { return nil }
func (s *stage) Trace(collector.TraceID) []collector.Span    { return nil }
func (s *stage) now() time.Duration                          { return time.Since(s.start).Round(10 * time.Millisecond) }
func (s *stage) build(r chaos.Resolved) (chaos.Fault, error) { return &harm{s, r}, nil }
func (s *stage) audit(_ context.Context, name string, _ time.Time) error {
	s.say("audit " + name)
	return nil
}
func (s *stage) say(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, fmt.Sprintf("%8s  %s", s.now(), text))
}

func (s *stage) supported(r chaos.Resolved, _ deploy.System) error {
	if s.missing {
		return fmt.Errorf("%s: no such power: %w", r.Action, errors.ErrUnsupported)
	}
	return nil
}

// Between shows one span for each request that met the fault so far.
func (s *stage) Between(from, to time.Time, yield func(collector.Span) bool) {
	if s.met == 0 || s.injected.IsZero() {
		return
	}
	n := 0
	for at := s.injected.Add(s.met); at.Before(to); at = at.Add(s.met) {
		n++
		if !yield(collector.Span{Trace: collector.TraceID{byte(n), byte(n >> 8)}, Start: at, End: at, Error: true}) {
			return
		}
	}
}

// count plays ten requests a tenth of a second.
func (s *stage) count(from, to time.Time) (good, decided int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for at := from; at.Before(to); at = at.Add(100 * time.Millisecond) {
		decided += 10
		good += int(10 * s.goodput(at.Sub(s.start), len(s.on) > 0))
	}
	return good, decided
}

type harm struct {
	s *stage
	chaos.Resolved
}

func (h *harm) Inject(ctx context.Context, _ deploy.System) error {
	h.s.say("inject " + h.ID)
	if h.s.hangs == "inject" {
		<-ctx.Done()
		return ctx.Err()
	}
	h.s.mu.Lock()
	defer h.s.mu.Unlock()
	h.s.on[h.ID] = true
	if h.s.injected.IsZero() {
		h.s.injected = time.Now()
	}
	return nil
}

func (h *harm) Lift(ctx context.Context, _ deploy.System) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	h.s.mu.Lock()
	was := h.s.on[h.ID]
	if !h.s.stuck {
		delete(h.s.on, h.ID)
	}
	h.s.mu.Unlock()
	if was && !h.s.stuck {
		h.s.say("lift " + h.ID)
	}
	return nil
}

func (h *harm) Met(s collector.Span) bool { return s.Error && h.ID != h.s.unmet }

func (h *harm) Probe(ctx context.Context, _ deploy.System, injected bool) (string, error) {
	if h.s.hangs == "probe" && injected {
		<-ctx.Done()
		return "", ctx.Err()
	}
	h.s.mu.Lock()
	defer h.s.mu.Unlock()
	if h.s.on[h.ID] != injected || injected && h.s.unseen || h.s.on[h.s.shadow] && h.ID != h.s.shadow {
		return "", errors.New("sees nothing of it")
	}
	return "sees it", nil
}

// play runs a schedule on a stage in fake time and returns the transcript:
// what was done, and the journal.
func play(t *testing.T, s *stage, es []chaos.ScheduledExperiment, opts ...func(*runner.Options)) (string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "journal")
	var err error
	synctest.Test(t, func(t *testing.T) {
		s.start, s.on = time.Now(), map[string]bool{}
		if s.goodput == nil {
			s.goodput = func(time.Duration, bool) float64 { return 1 }
		}
		j, cerr := runner.CreateJournal(path)
		if cerr != nil {
			t.Fatal(cerr)
		}
		defer j.Close()
		o := runner.Options{System: s, Schedule: chaos.Schedule{Experiments: es}, Journal: j, Abort: map[string]float64{},
			Build: s.build, Supported: s.supported, Goodput: s.count, Spans: s, Audit: s.audit,
			Observe: func(p runner.Progress) { s.say(strings.TrimSpace("phase " + p.Phase + " " + p.Text)) }}
		for _, opt := range opts {
			opt(&o)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		stop = func(d time.Duration) { time.AfterFunc(d, func() { cancel(errors.New("Ctrl-C")) }) }
		if before != nil {
			before()
		}
		err = runner.Run(ctx, o)
		synctest.Wait()
	})
	entries, torn, jerr := runner.ReadJournal(path)
	if jerr != nil || torn != "" {
		t.Fatal(jerr, torn)
	}
	var b strings.Builder
	for _, line := range s.lines {
		fmt.Fprintln(&b, line)
	}
	fmt.Fprintln(&b, "-- journal")
	for _, e := range entries {
		fmt.Fprintln(&b, strings.TrimRight(fmt.Sprintf("%8s  %-16s %-6s %s", e.Time.Sub(s.start).Round(10*time.Millisecond), e.Kind, e.ID, e.Detail), " "))
	}
	fmt.Fprintln(&b, "-- error")
	fmt.Fprintln(&b, err)
	return b.String(), err
}

// stop interrupts the play after a while; before runs ahead of it. Both are
// set by the test that is running: plays do not run side by side.
var (
	stop   func(time.Duration)
	before func()
)

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the transcript differs (-want +got); if it should, run with -update and read the diff:\n%s", diff)
	}
}

// one is an experiment of one fault, off the beat of the runner's tick.
func one(at, duration time.Duration) []chaos.ScheduledExperiment {
	return []chaos.ScheduledExperiment{{Name: "a", Faults: []chaos.Resolved{{ID: "a/1", Action: "harm", Instances: []string{"x-1"},
		At: topology.Duration(at), Duration: topology.Duration(duration)}}}}
}

// two is an experiment of two faults, the second of which begins while the
// first, which lasts so long, is on.
func two(duration time.Duration) []chaos.ScheduledExperiment {
	return []chaos.ScheduledExperiment{{Name: "a", Faults: []chaos.Resolved{
		{ID: "a/1", Action: "slow", Instances: []string{"x-1"}, At: topology.Duration(130 * time.Millisecond), Duration: topology.Duration(duration)},
		{ID: "a/2", Action: "kill", Instances: []string{"x-2"}, At: topology.Duration(2130 * time.Millisecond)}}}}
}

func TestTranscripts(t *testing.T) {
	bad := func(at time.Duration, on bool) float64 {
		if on {
			return 0.2
		}
		return 1
	}
	for _, c := range []struct {
		name  string
		stage *stage
		es    []chaos.ScheduledExperiment
		opts  []func(*runner.Options)
		after time.Duration // interrupted then; 0: never
	}{
		{name: "enough-witnesses", stage: &stage{met: 55 * time.Millisecond}, es: one(330*time.Millisecond, 0)},
		{name: "control", stage: &stage{met: 55 * time.Millisecond}, es: one(330*time.Millisecond, 14*time.Second),
			opts: []func(*runner.Options){func(o *runner.Options) { o.Control = true }}},
		{name: "few-witnesses", stage: &stage{met: 5 * time.Second}, es: one(330*time.Millisecond, 0)},
		{name: "composite", stage: &stage{met: 55 * time.Millisecond}, es: []chaos.ScheduledExperiment{{Name: "a", Faults: []chaos.Resolved{
			{ID: "a/1", Action: "slow", Instances: []string{"x-1"}, At: topology.Duration(130 * time.Millisecond), Duration: topology.Duration(2 * time.Second)},
			{ID: "a/2", Action: "kill", Instances: []string{"x-2"}, At: topology.Duration(3130 * time.Millisecond)}}}}},
		{name: "one-unmet", stage: &stage{met: 55 * time.Millisecond, unmet: "a/2"}, es: two(11 * time.Second)},
		{name: "injection-hangs", stage: &stage{hangs: "inject"}, es: one(330*time.Millisecond, 0)},
		{name: "probe-hangs", stage: &stage{hangs: "probe"}, es: one(330*time.Millisecond, 4*time.Second)},
		{name: "unproven", stage: &stage{unseen: true}, es: one(330*time.Millisecond, 0)},
		{name: "unsupported", stage: &stage{missing: true}, es: one(330*time.Millisecond, 0)},
		{name: "not-lifted", stage: &stage{stuck: true}, es: append(one(330*time.Millisecond, 0), chaos.ScheduledExperiment{Name: "never"})},
		{name: "aborted", stage: &stage{goodput: bad}, es: one(330*time.Millisecond, 0),
			opts: []func(*runner.Options){func(o *runner.Options) { o.Abort["a"] = 0.5 }}},
		{name: "interrupted", stage: &stage{}, es: one(330*time.Millisecond, 0), after: 13050 * time.Millisecond},
		{name: "lease-lost", stage: &stage{}, es: one(330*time.Millisecond, 0), opts: []func(*runner.Options){func(o *runner.Options) {
			lost := time.Now().Add(12050 * time.Millisecond)
			o.Lease = func() error {
				if time.Now().After(lost) {
					return errors.New("the lease was lost")
				}
				return nil
			}
		}}},
		{name: "slow-recovery", stage: &stage{goodput: func(at time.Duration, on bool) float64 {
			if on || at > 10*time.Second && at < 21*time.Second {
				return 0.5
			}
			return 1
		}}, es: one(330*time.Millisecond, 2*time.Second)},
		{name: "no-recovery", stage: &stage{goodput: func(at time.Duration, on bool) float64 {
			if at > 10*time.Second {
				return 0.5
			}
			return 1
		}}, es: one(330*time.Millisecond, 2*time.Second)},
	} {
		t.Run(c.name, func(t *testing.T) {
			before = func() {
				if c.after > 0 {
					stop(c.after)
				}
			}
			defer func() { before = nil }()
			got, _ := play(t, c.stage, c.es, c.opts...)
			golden(t, c.name, got)
			if len(c.stage.on) > 0 && !c.stage.stuck {
				t.Errorf("left on: %v", c.stage.on)
			}
		})
	}
}

// TestALiftInAnothersShadow ends a fault early while another one keeps every
// probe from seeing anything: that it is gone is proven when both are.
func TestALiftInAnothersShadow(t *testing.T) {
	got, err := play(t, &stage{met: 55 * time.Millisecond, shadow: "a/2"}, two(4*time.Second))
	if err != nil {
		t.Error(err)
	}
	for _, want := range []string{"14.2s  lifted           a/1", "lift-proven      a/1", "lift-proven      a/2"} {
		if !strings.Contains(got, want) {
			t.Errorf("there is no %q in\n%s", want, got)
		}
	}
}

// TestAFullDiskLiftsAll closes the journal under the run: nothing may stay
// harmed because it cannot be written down.
func TestAFullDiskLiftsAll(t *testing.T) {
	s := &stage{}
	_, err := play(t, s, one(330*time.Millisecond, 0), func(o *runner.Options) {
		j := o.Journal
		time.AfterFunc(12050*time.Millisecond, func() { j.Close() })
	})
	if err == nil {
		t.Error("the run says nothing of its journal")
	}
	if len(s.on) > 0 {
		t.Errorf("left on: %v", s.on)
	}
}
