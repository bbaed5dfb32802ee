package bedlam

import (
	"strings"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/monkey"
	"github.com/bedlamlab/bedlam/loadgen"
	"github.com/bedlamlab/bedlam/observability/collector"
)

// spanList is spans in a slice.
type spanList []collector.Span

// Trace implements [chaos.Spans]; nobody asks.
func (spanList) Trace(collector.TraceID) []collector.Span { return nil }

// Between implements [chaos.Spans].
func (l spanList) Between(from, to time.Time, yield func(collector.Span) bool) {
	for _, s := range l {
		if s.Start.Before(to) && s.End.After(from) && !yield(s) {
			return
		}
	}
}

// TestTheSecondWitnessOfAMonkey: the requests of customers count whose traces met
// a fault while it was on, each once; nobody else's, and no fault's for another.
func TestTheSecondWitnessOfAMonkey(t *testing.T) {
	start := time.Now()
	at := func(s float64) time.Time { return start.Add(time.Duration(s * float64(time.Second))) }
	killed := chaos.Resolved{ID: "monkey/1", Action: "kill", Instances: []string{"cart-1"}}
	paused := chaos.Resolved{ID: "monkey/2", Action: "pause", Instances: []string{"orders-1"}}
	failed := chaos.Resolved{ID: "monkey/3", Action: "kill", Instances: []string{"cart-2"}}
	failure := func(trace byte, from float64, peer string) collector.Span {
		return collector.Span{Trace: collector.TraceID{trace}, Start: at(from), End: at(from + 0.1), Error: true, PeerInstance: peer}
	}
	rec := &chaos.Record{
		Journal: []chaos.Entry{
			{Time: at(1), Kind: chaos.Injecting, ID: killed.ID, Fault: &killed}, {Time: at(1.1), Kind: chaos.Injected, ID: killed.ID}, {Time: at(3), Kind: chaos.Lifted, ID: killed.ID},
			{Time: at(5), Kind: chaos.Injecting, ID: paused.ID, Fault: &paused}, {Time: at(5.1), Kind: chaos.Injected, ID: paused.ID}, {Time: at(7), Kind: chaos.Lifted, ID: paused.ID},
			{Time: at(8), Kind: chaos.Injecting, ID: failed.ID, Fault: &failed}, {Time: at(8.1), Kind: chaos.Unproven, ID: failed.ID}, {Time: at(9), Kind: chaos.Lifted, ID: failed.ID},
		},
		Spans: spanList{
			failure(1, 2, "cart-1"), failure(1, 2.2, "cart-1"), failure(2, 2, "cart-1"), // two requests, one of which tried again
			failure(3, 2, "cart-2"),   // another victim
			failure(4, 4, "cart-1"),   // it is lifted
			failure(5, 6, "cart-1"),   // and another fault is on
			failure(99, 2, "cart-1"),  // no customer's
			failure(6, 8.5, "cart-2"), // met what was injected in part
		}}
	for n := range byte(10) {
		rec.Requests = append(rec.Requests, loadgen.Request{TraceID: [16]byte{n}})
	}
	history := []monkey.Fault{{Resolved: killed}, {Resolved: paused}, {Resolved: failed}, {Resolved: chaos.Resolved{ID: "monkey/4"}, State: monkey.LeftOut}}
	judged := func() (out MonkeyOutcome) {
		if err := out.witness(rec, history); err != nil {
			t.Fatal(err)
		}
		return out
	}
	out := judged()
	for i, want := range []int{2, 0, 1, 0} {
		if got := out.Faults[i]; got.ID != history[i].ID || got.Witnesses != want {
			t.Errorf("%s was met by %d requests, want %d", got.ID, got.Witnesses, want)
		}
	}
	if out.Meetings != (Meetings{Met: 1, Of: 2}) {
		t.Errorf("%+v", out.Meetings)
	}
	rec.Plan.Lacks = map[string]string{"traces": "the system sends none"}
	if out := judged(); out.Meetings.Alone != "the system sends none" {
		t.Errorf("%+v", out.Meetings)
	}
	rec.Plan.Lacks, rec.Requests = nil, nil
	if out := judged(); out.Meetings.Met != 0 || !strings.Contains(out.Meetings.Alone, "no customers") {
		t.Errorf("%+v", out.Meetings)
	}
}
