package bedlam

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/fault"
	"github.com/bedlamlab/bedlam/chaos/monkey"
	"github.com/bedlamlab/bedlam/deploy/cell"
	"github.com/bedlamlab/bedlam/deploy/process"
	"github.com/bedlamlab/bedlam/services"
	"github.com/bedlamlab/bedlam/topology"
)

// wanted are options of a monkey that begins on a Monday morning.
func wanted(engine, isolation string) MonkeyOptions {
	o := MonkeyOptions{Options: Options{Engine: engine, Isolation: isolation}, Habits: monkey.Defaults()}
	o.Habits.Start = time.Date(2026, time.March, 23, 8, 0, 0, 0, time.UTC)
	return o
}

func deedsOf(t *testing.T, o MonkeyOptions) (deeds, Options) {
	t.Helper()
	base, err := o.Options.isolated()
	if err != nil {
		t.Fatal(err)
	}
	d, base, err := o.deeds(base)
	if err != nil {
		t.Fatal(err)
	}
	return d, base
}

func does(d deeds, name string) bool {
	return slices.ContainsFunc(d.choices, func(c monkey.Choice) bool { return c.Fault == name })
}

// TestTheMonkeyKnowsEveryFault: whoever adds one says how often the monkey does
// it; 0 is an answer.
func TestTheMonkeyKnowsEveryFault(t *testing.T) {
	all, err := monkey.Catalogue()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range fault.Kinds() {
		if !slices.ContainsFunc(all, func(c monkey.Choice) bool { return c.Fault == k.Name }) {
			t.Errorf("%s has no row in chaos/monkey/catalogue.yaml", k.Name)
		}
	}
}

// TestWhatAnEngineCannotIsLeftOut before there is a plan, and with the reason;
// what somebody has named is refused instead.
func TestWhatAnEngineCannotIsLeftOut(t *testing.T) {
	for _, c := range []struct {
		engine, isolation string
		does, not         []string
	}{
		{"process", "none", []string{"kill", "latency", "abort", "clock_skew", "file_descriptors"}, []string{"oom", "packet_loss", "cpu_quota", "memory_balloon"}},
		{"docker", "", []string{"kill", "oom", "duplicate_request", "packet_loss", "cpu_quota", "clock_skew"}, nil},
	} {
		d, _ := deedsOf(t, wanted(c.engine, c.isolation))
		for _, name := range c.does {
			if !does(d, name) {
				t.Errorf("%s %s: %s is left out: %q", c.engine, c.isolation, name, d.leftOut)
			}
		}
		for _, name := range c.not {
			if does(d, name) || !slices.ContainsFunc(d.leftOut, func(s string) bool { return strings.Contains(s, name) }) {
				t.Errorf("%s %s: %s is done, or left out without a word: %q", c.engine, c.isolation, name, d.leftOut)
			}
			o := wanted(c.engine, c.isolation)
			o.Weights = []string{name + "=2"}
			base, err := o.Options.isolated()
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := o.deeds(base); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("%s %s: %s was asked for: %v", c.engine, c.isolation, name, err)
			}
		}
	}
}

// TestTheMonkeyTakesTheIsolationItNeeds, where it may choose.
func TestTheMonkeyTakesTheIsolationItNeeds(t *testing.T) {
	can := process.None
	if cell.Try() == nil {
		can = process.Full
	}
	d, base := deedsOf(t, wanted("process", ""))
	if base.Isolation != can || does(d, "packet_loss") != (can == process.Full) {
		t.Errorf("isolation %s, packets %t; want %s", base.Isolation, does(d, "packet_loss"), can)
	}
	o := wanted("process", "auto")
	for _, k := range fault.Kinds() {
		if fault.Isolates(k.Name) {
			o.Weights = append(o.Weights, k.Name+"=0")
		}
	}
	if _, base := deedsOf(t, o); base.Isolation != process.None {
		t.Errorf("nothing needs it, and instances are isolated: %s", base.Isolation)
	}
}

// TestTheScheduleFits: the plan is the same for the same options,
// and has nobody whom a fault is not for.
func TestTheScheduleFits(t *testing.T) {
	o := wanted("process", "none")
	o.Habits.Share, o.Habits.Mean, o.Habits.Least = 100, topology.Duration(20*time.Second), topology.Duration(20*time.Second)
	text := func() string {
		d, _ := deedsOf(t, o)
		var first []chaos.Resolved
		for r := range d.faults {
			if first = append(first, r); len(first) == 200 {
				break
			}
		}
		for _, r := range append(d.targets, first...) {
			if err := fault.Fit(r, services.Shop()); err != nil {
				t.Errorf("%s: %v", r.Action, err)
			}
		}
		b, err := json.Marshal(first)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if a, b := text(), text(); a != b {
		t.Error("the same options give two schedules")
	}
	d, _ := deedsOf(t, o)
	if !does(d, "lock_table") {
		t.Errorf("with a share of 100 %% the stores are harmed too: %q", d.leftOut)
	}
	aware := fault.Aware(chaos.Schedule{Experiments: []chaos.ScheduledExperiment{{Faults: d.targets}}})
	for _, e := range services.Shop().Edges {
		for _, l := range services.Shop().LinksOf(e) {
			if want := e.Protocol == topology.GRPC; slices.Contains(aware, l) != want {
				t.Errorf("%s speaks %s: that its requests are read is %t", l, e.Protocol, !want)
			}
		}
	}
}

// TestNobodyIsLeft: a choice that finds nobody is told of, and refused if it was
// named.
func TestNobodyIsLeft(t *testing.T) {
	d, _ := deedsOf(t, wanted("process", "none"))
	if does(d, "lock_table") || !slices.ContainsFunc(d.leftOut, func(s string) bool { return strings.Contains(s, "lock_table") && strings.Contains(s, "--share") }) {
		t.Errorf("the stores have one replica: %q", d.leftOut)
	}
	o := wanted("process", "none")
	o.Weights = []string{"lock_table=1"}
	base, err := o.Options.isolated()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := o.deeds(base); !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), "lock_table: nobody is left") {
		t.Errorf("got %v", err)
	}
}
