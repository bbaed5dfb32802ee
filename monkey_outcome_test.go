package bedlam

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/fault"
	"github.com/bedlamlab/bedlam/chaos/monkey"
	"github.com/bedlamlab/bedlam/loadgen"
	"github.com/bedlamlab/bedlam/services"
	"github.com/bedlamlab/bedlam/topology"
)

// A puppet's harms are words.
type puppet struct{ unseen, stuck, failed error }

// Inject implements [monkey.Hand].
func (p puppet) Inject(context.Context, chaos.Resolved) (monkey.Grip, error) { return p, p.failed }

// Proof implements [monkey.Grip].
func (p puppet) Proof() (string, error) { return "sees it", p.unseen }

// Lift implements [monkey.Grip].
func (p puppet) Lift(_ context.Context, lifted func()) error {
	if p.stuck == nil {
		lifted()
	}
	return p.stuck
}

// TestOutcomes: nothing is a PASS that was not shown, and what is worse hides
// what is better.
func TestOutcomes(t *testing.T) {
	bad := errors.New("no")
	for _, c := range []struct {
		name   string
		hand   puppet
		faults int
		err    error
		exit   int
		why    string
	}{
		{"stuck", puppet{stuck: bad}, 1, nil, 4, "1 faults could not be lifted"},
		{"unseen", puppet{unseen: bad}, 1, nil, 3, "1 of 1 faults were seen by no probe"},
		{"failed", puppet{failed: bad}, 1, nil, 3, "1 faults could not be injected"},
		{"idle", puppet{}, 0, nil, 3, "no fault was injected"},
		{"cut short", puppet{}, 1, bad, 3, "the run was cut short"},
		{"no data", puppet{}, 1, nil, 3, "checks of the data could say nothing"},
	} {
		r := &monkeyRun{folder: t.TempDir()}
		var all []chaos.Resolved
		for n := range c.faults {
			all = append(all, chaos.Resolved{ID: fmt.Sprint(n), Action: "kill", Instances: []string{"cart-1"}, Duration: topology.Duration(time.Millisecond)})
		}
		r.m = monkey.New(monkey.Config{Topology: services.Shop(), Caps: monkey.Defaults().Caps, Start: time.Now(), Faults: slices.Values(all),
			Origin: monkey.Replayed, Hand: c.hand, Check: fault.Check})
		if err := r.m.Run(t.Context()); !errors.Is(err, c.hand.stuck) {
			t.Errorf("%s: %v", c.name, err)
		}
		if err := errors.Join(writeJSON(r.folder, planFile, chaos.Plan{Schema: planSchema}),
			writeJSON(r.folder, scheduleFile, chaos.Schedule{Schema: scheduleSchema})); err != nil {
			t.Fatal(err)
		}
		out, err := r.outcome(c.err)
		if !errors.Is(err, c.err) || out.Exit != c.exit || out.Verdict != chaos.Inconclusive || !strings.Contains(strings.Join(out.Reasons, "\n"), c.why) {
			t.Errorf("%s: exit %d, %s, %q, %v", c.name, out.Exit, out.Verdict, out.Reasons, err)
		}
		if _, err := os.Stat(filepath.Join(r.folder, monkeyFile)); err != nil {
			t.Error(err)
		}
	}
}

// TestWrongDataIsAFailure, whatever else there is to say, but not what is left
// harmed: that comes first.
func TestWrongDataIsAFailure(t *testing.T) {
	var out MonkeyOutcome
	var got []chaos.Verdict
	add := func(v chaos.Verdict, format string, args ...any) { got = append(got, v) }
	out.judge(chaos.Result{Audit: []chaos.AuditLine{{Name: "a", Verdict: chaos.Pass}, {Name: "b", Verdict: chaos.Fail, Text: "two charges"}, {Name: "c"}}}, add)
	if chaos.Worst(got...) != chaos.Fail || len(got) != 2 || len(out.Audit) != 3 {
		t.Errorf("%v, %+v", got, out)
	}
}

// TestGoodputIsOfItsTime: requests count by when they were due.
func TestGoodputIsOfItsTime(t *testing.T) {
	start := time.Now()
	at := func(s float64) time.Time { return start.Add(time.Duration(s * float64(time.Second))) }
	rec := &chaos.Record{Header: loadgen.Header{Start: start}, Journal: []chaos.Entry{
		{Time: at(1), Kind: chaos.Injected, ID: "a"}, {Time: at(2), Kind: chaos.Injected, ID: "b"},
		{Time: at(3), Kind: chaos.Lifted, ID: "b"}, {Time: at(4), Kind: chaos.Lifted, ID: "a"}, {Time: at(8), Kind: chaos.Injected, ID: "c"},
		{Time: at(9), Kind: chaos.Lifted, ID: "c"}}}
	for s := 0.5; s < 10; s++ {
		q := loadgen.Request{Due: time.Duration(s * float64(time.Second)), Outcome: loadgen.Failed}
		rec.Requests = append(rec.Requests, q)
	}
	var out MonkeyOutcome
	out.measure(rec)
	if got, want := fmt.Sprint(out.Goodput), "[{10 0} {4 0} {6 0}]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
