package fault_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/fault"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/observability/collector"
)

func built(t *testing.T, action, args string, instances ...string) chaos.Fault {
	t.Helper()
	f, err := fault.Build(chaos.Resolved{ID: "x/1", Action: action, Instances: instances, Args: chaos.RawArgs(args)})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestEnds(t *testing.T) {
	for _, c := range []struct {
		action, args string
		injected     []string
		saw          string
	}{
		{"kill", ``, []string{"kill back-1", "kill back-2"}, "back-1 was down and is started again (start 2), back-2 was down and is started again (start 2)"},
		{"kill", `{"hold":true}`, []string{"hold back-1", "kill back-1", "hold back-2", "kill back-2"}, "back-1 is down, back-2 is down"},
		{"oom", ``, []string{"exhaust back-1", "exhaust back-2"}, "back-1 was ended for want of memory and is started again (start 2), back-2 was ended for want of memory and is started again (start 2)"},
		{"oom", `{"hold":true}`, []string{"hold back-1", "exhaust back-1", "hold back-2", "exhaust back-2"}, "back-1 was ended for want of memory and is down, back-2 was ended for want of memory and is down"},
		{"stop", ``, []string{"stop back-1", "stop back-2"}, "back-1 was down and is started again (start 2), back-2 was down and is started again (start 2)"},
		{"stop", `{"hold":true}`, []string{"hold back-1", "stop back-1", "hold back-2", "stop back-2"}, "back-1 is down, back-2 is down"},
	} {
		t.Run(c.action+c.args, func(t *testing.T) {
			s := newFake()
			f := built(t, c.action, c.args, "back-1", "back-2")
			p := f.(chaos.Prober)
			if saw, err := p.Probe(t.Context(), s, true); err == nil {
				t.Errorf("before it was injected, the probe saw %q", saw)
			}
			if err := f.Inject(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(s.calls, c.injected) {
				t.Errorf("injecting did %q, want %q", s.calls, c.injected)
			}
			if saw, err := p.Probe(t.Context(), s, true); err != nil || saw != c.saw {
				t.Errorf("the probe saw %q, %v; want %q", saw, err, c.saw)
			}
			if strings.Contains(c.args, "hold") {
				if saw, err := p.Probe(t.Context(), s, false); err == nil {
					t.Errorf("while it is on, the probe of the lift saw %q", saw)
				}
			}
			if err := f.Lift(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			if saw, err := p.Probe(t.Context(), s, false); err != nil || !strings.Contains(saw, "back-2 runs and is ready") {
				t.Errorf("after the lift the probe saw %q, %v", saw, err)
			}
		})
	}
}

// An instance that is down, or was, is not for that out of memory: the probe of
// one end must not be content with another.
func TestOOMIsNoKill(t *testing.T) {
	for _, c := range []struct {
		why    string
		change func(*deploy.State)
		ok     bool
	}{
		{"killed and held", func(st *deploy.State) { st.Phase, st.Ready, st.Held = deploy.Down, false, true }, false},
		{"killed and started again", func(st *deploy.State) { st.Starts++ }, false},
		{"still running", func(st *deploy.State) {}, false},
		{"said to have ended, and runs on", func(st *deploy.State) { st.OOMKills++ }, false},
		{"ended for want of memory", func(st *deploy.State) { st.OOMKills++; st.Starts++ }, true},
	} {
		s := newFake()
		s.states["back-1"].OOMKills = 3 // of earlier lives
		f := built(t, "oom", "", "back-1")
		if err := f.Inject(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		*s.states["back-1"] = deploy.State{Phase: deploy.Running, Ready: true, Starts: 1, OOMKills: 3}
		c.change(s.states["back-1"])
		if saw, err := f.(chaos.Prober).Probe(t.Context(), s, true); (err == nil) != c.ok {
			t.Errorf("%s: the probe saw %q, %v", c.why, saw, err)
		}
	}
}

func TestPause(t *testing.T) {
	s := newFake()
	f := built(t, "pause", "", "back-2")
	p := f.(chaos.Prober)
	if saw, err := p.Probe(t.Context(), s, true); err == nil {
		t.Errorf("before it was injected, the probe saw %q", saw)
	}
	if err := f.Inject(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if saw, err := p.Probe(t.Context(), s, true); err != nil || saw != "back-2 is frozen (pid 1)" {
		t.Errorf("the probe saw %q, %v", saw, err)
	}
	if saw, err := p.Probe(t.Context(), s, false); err == nil {
		t.Errorf("while it is on, the probe of the lift saw %q", saw)
	}
	if err := f.Lift(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Probe(t.Context(), s, false); err != nil {
		t.Error(err)
	}
	if want := []string{"pause back-2", "resume back-2"}; !slices.Equal(s.calls, want) {
		t.Errorf("got %q, want %q", s.calls, want)
	}
}

// One victim that resists must not keep the others harmed.
func TestLiftGoesOnAfterAnError(t *testing.T) {
	for action, release := range map[string]string{"kill": "release", "oom": "release", "stop": "release", "pause": "resume", "restart": "release", "crash_loop": "release"} {
		s := newFake()
		s.refuse[release+" back-1"] = errBroken
		f := built(t, action, "", "back-1", "back-2")
		if err := f.Lift(t.Context(), s); !errors.Is(err, errBroken) || !strings.Contains(err.Error(), "back-1") {
			t.Errorf("%s: got %v", action, err)
		}
		if !slices.Contains(s.calls, release+" back-2") {
			t.Errorf("%s: back-2 was left harmed: %q", action, s.calls)
		}
	}
}

func TestProbeOfTheLiftWantsReadiness(t *testing.T) {
	s := newFake()
	s.states["back-1"].Ready = false
	for _, action := range []string{"kill", "oom", "stop", "pause", "restart", "crash_loop"} {
		if saw, err := built(t, action, "", "back-1").(chaos.Prober).Probe(t.Context(), s, false); err == nil {
			t.Errorf("%s: an instance that is not ready counts as well: %q", action, saw)
		}
	}
}

func TestMetByCallsToVictims(t *testing.T) {
	for _, action := range []string{"kill", "oom", "stop", "pause", "restart", "crash_loop"} {
		f := built(t, action, "", "back-1").(chaos.Witnessed)
		for _, c := range []struct {
			span collector.Span
			met  bool
		}{
			{collector.Span{PeerInstance: "back-1", Error: true}, true},
			{collector.Span{PeerInstance: "back-1"}, false},
			{collector.Span{PeerInstance: "back-2", Error: true}, false},
			{collector.Span{Instance: "back-1", Error: true}, false},
			{collector.Span{Error: true}, false},
		} {
			if f.Met(c.span) != c.met {
				t.Errorf("%s: %+v: met %t", action, c.span, !c.met)
			}
		}
	}
}
