package fault_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/fault"
	"github.com/bedlamlab/bedlam/loadgen"
	"github.com/bedlamlab/bedlam/observability/collector"
)

func waveOf(t *testing.T, instances ...string) (chaos.Resolved, chaos.Fault) {
	t.Helper()
	r := chaos.Resolved{ID: "x/1", Action: "surge", Args: chaos.RawArgs(`{"factor":3}`), Instances: instances, Seed: 7}
	f, err := fault.Build(r)
	if err != nil {
		t.Fatal(err)
	}
	return r, f
}

// Others come only where customers do.
func TestAWaveComesWhereCustomersDo(t *testing.T) {
	r, _ := waveOf(t, "front-1")
	if err := fault.Fit(r, shop()); err != nil {
		t.Error(err)
	}
	r, _ = waveOf(t, "front-1", "back-1")
	if err := fault.Fit(r, shop()); err == nil || !strings.Contains(err.Error(), "customers do not ask back-1") {
		t.Errorf("got %v", err)
	}
}

// A wave is what was asked for, by the name and the seed of the harm.
func TestWhatAWaveAsksFor(t *testing.T) {
	for action, c := range map[string]struct {
		args string
		want loadgen.Surge
	}{
		"surge":      {`{"factor":12,"kind":"prefetch"}`, loadgen.Surge{Factor: 12, Kind: loadgen.Prefetch}},
		"flash_sale": {`{"buyers":50,"over":"500ms"}`, loadgen.Surge{Rate: 100, Most: 50, Kind: loadgen.Flash}},
		"poison":     {`{"requests":5,"dose":"page"}`, loadgen.Surge{Rate: 5, Dose: "page", Kind: loadgen.Poison}},
		"cancel":     {`{"after":"20ms"}`, loadgen.Surge{Factor: 2, Kind: loadgen.Buy, Patience: 20 * time.Millisecond}},
	} {
		f, err := fault.Build(chaos.Resolved{ID: "x/1", Action: action, Args: chaos.RawArgs(c.args), Instances: []string{"front-1"}, Seed: 7})
		if err != nil {
			t.Fatal(err)
		}
		s := newFake()
		if err := f.Inject(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		got := s.begun["x/1"]
		c.want.Name, c.want.Seed = "x/1", 7
		if len(got.Gateways) != 1 || got.Gateways[0] != "front-1" {
			t.Errorf("%s asks %q", action, got.Gateways)
		}
		if got.Gateways = nil; !equal(got, c.want) {
			t.Errorf("%s: got %+v, want %+v", action, got, c.want)
		}
	}
}

func equal(a, b loadgen.Surge) bool {
	return a.Name == b.Name && a.Seed == b.Seed && a.Factor == b.Factor && a.Rate == b.Rate && a.Most == b.Most &&
		a.Kind == b.Kind && a.Dose == b.Dose && a.Patience == b.Patience
}

// The probe counts who came against who was asked for.
func TestTheProbeOfAWave(t *testing.T) {
	for name, c := range map[string]struct {
		surged   loadgen.Surged
		injected bool
		want     string // of what it saw, or of the error
		sees     bool
	}{
		"they come":                 {loadgen.Surged{On: true, For: time.Second, Asked: 80, Arrived: 79, Sent: 200, Answered: 190, Beside: 140}, true, "79 of the 80 journeys", true},
		"they come and hang up":     {loadgen.Surged{On: true, For: time.Second, Asked: 80, Arrived: 79, Sent: 200, Left: 3}, true, "3 not waited for", true},
		"it is too early to tell":   {loadgen.Surged{On: true, Asked: 9, Arrived: 9, Sent: 9, Answered: 9}, true, "9 of the 9", false},
		"too few come":              {loadgen.Surged{On: true, Asked: 80, Arrived: 39, Sent: 80, Answered: 80}, true, "39 of the 80", false},
		"nobody is served":          {loadgen.Surged{On: true, Asked: 80, Arrived: 80, Sent: 200}, true, "0 were answered", false},
		"they have gone":            {loadgen.Surged{Asked: 80, Arrived: 80, Sent: 200, Answered: 200}, true, "80 of the 80", false},
		"they are to go, and come":  {loadgen.Surged{On: true}, false, "they still come", false},
		"they are to go, and do so": {loadgen.Surged{Arrived: 80, For: 8 * time.Second}, false, "nobody comes any more, after 80 journeys in 8s", true},
	} {
		_, f := waveOf(t, "front-1")
		s := newFake()
		s.surges["x/1"] = c.surged
		saw, err := f.(chaos.Prober).Probe(t.Context(), wrapped{s}, c.injected)
		if (err == nil) != c.sees {
			t.Errorf("%s: saw %q, %v", name, saw, err)
			continue
		}
		if err != nil {
			saw = err.Error()
		}
		if !strings.Contains(saw, c.want) {
			t.Errorf("%s: got %q, want %q", name, saw, c.want)
		}
	}
	_, f := waveOf(t, "front-1")
	if _, err := f.(chaos.Prober).Probe(t.Context(), newFake(), true); err == nil {
		t.Error("a surge that never began was seen")
	}
	// Whoever heals a run whose process is gone finds nobody who makes load.
	if saw, err := f.(chaos.Prober).Probe(t.Context(), &bare{}, false); err != nil || saw != "nobody makes load any more" {
		t.Errorf("got %q, %v", saw, err)
	}
}

// A request of theirs meets it where a victim says that it served it, and no
// customer's does.
func TestWhoMeetsAWave(t *testing.T) {
	_, f := waveOf(t, "front-1")
	met := f.(chaos.Witnessed).Met
	theirs := collector.TraceID{15: 1}
	mark := loadgen.Mark("x/1")
	copy(theirs[:], mark[:])
	other := theirs
	mark = loadgen.Mark("x/2")
	copy(other[:], mark[:])
	for _, c := range []struct {
		span collector.Span
		want bool
	}{
		{collector.Span{Trace: theirs, Kind: collector.Server, Instance: "front-1"}, true},
		{collector.Span{Trace: theirs, Kind: collector.Server, Instance: "back-1"}, false},
		{collector.Span{Trace: theirs, Kind: collector.Client, Instance: "front-1"}, false},
		{collector.Span{Trace: other, Kind: collector.Server, Instance: "front-1"}, false},
		{collector.Span{Trace: collector.TraceID{1}, Kind: collector.Server, Instance: "front-1"}, false},
	} {
		if met(c.span) != c.want {
			t.Errorf("%+v: want %t", c.span, c.want)
		}
	}
}
