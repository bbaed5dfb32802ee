package check_test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/check"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/loadgen"
	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/services"
)

// The two experiments of a golden run.
const (
	bankCut       = "bank-cut-off"
	recommendDown = "recommend-down"
)

// The golden run's clock, in seconds. Both experiments have the same shape.
const (
	baselineFrom, baselineTo = 3.0, 13.0
	firstBegun, secondBegun  = 13.0, 26.0
	injectedAfter            = 0.6
	liftingAfter             = 7.0
	recoveredAfter           = 11.5
	auditedAfter             = 11.6
	endedAfter               = 11.7
	loadStopped              = 42.0
	runEnded                 = 45.0
)

var start = time.Date(2026, 1, 31, 10, 15, 0, 0, time.UTC)

func moment(s float64) time.Time { return start.Add(time.Duration(s * float64(time.Second))) }

// stampOf writes a time as PostgreSQL does.
func stampOf(s float64) string { return moment(s).Format("2006-01-02 15:04:05.999999-07") }

// A row of an audit view, by column.
type row map[string]string

// A world is a run under construction: golden as it is made, and then spoilt
// by one test in one way. record renders it.
type world struct {
	plan     chaos.Plan
	schedule chaos.Schedule
	journal  []chaos.Entry
	requests []loadgen.Request
	spans    []collector.Span
	final    map[string][]row
	early    map[string]map[string][]row // by experiment
	before   map[string][]row            // nil: the system did not run before
	events   []deploy.Event
	torn     []string
	noFinal  bool
	noFault  bool // the judge is given no faults to ask
	levels   levels
	capacity float64 // of the faults that are bottlenecks
	n        uint64
}

// meets is a fault that failed calls to an instance have met.
type meets struct {
	chaos.Fault
	peer     string
	passes   bool
	capacity float64 // 0: it is no bottleneck
}

func (m meets) Capacity() float64 { return m.capacity }

func (m meets) Passes() bool { return m.passes }

func (m meets) Met(s collector.Span) bool { return s.Error && s.PeerInstance == m.peer }

func faultOf(name, peer string) chaos.Resolved {
	return chaos.Resolved{ID: name + "/1", Action: "kill", Instances: []string{peer}, Args: chaos.RawArgs(`{"hold":true}`)}
}

func golden() *world {
	w := &world{final: map[string][]row{}, early: map[string]map[string][]row{}}
	limits := []chaos.Limit{
		{Metric: "goodput", Phase: "fault", Min: 0.9, Max: 1},
		{Metric: "goodput", Phase: "after", Min: 0.99, Max: 1},
		{Metric: "p90", Phase: "fault", Max: 0.5},
		{Metric: "amplification", Phase: "fault", Edge: "payment->bank", Min: 1, Max: 2},
		{Metric: "recovery", Max: 5},
	}
	w.plan = chaos.Plan{Schema: "bedlam.plan/1", Run: "r", Seed: 7, Suite: "smoke", Engine: "process", Rate: 40, Started: start,
		Topology: services.Shop(), Experiments: []chaos.Experiment{
			{Name: bankCut, Title: "The bank is cut off", Hypothesis: chaos.Hypothesis{Limits: limits}},
			{Name: recommendDown, Title: "No recommendations", Hypothesis: chaos.Hypothesis{Limits: limits}},
		}}
	w.schedule = chaos.Schedule{Seed: 7, Suite: "smoke", Experiments: []chaos.ScheduledExperiment{
		{Name: bankCut, Faults: []chaos.Resolved{faultOf(bankCut, "bank-1")}},
		{Name: recommendDown, Faults: []chaos.Resolved{faultOf(recommendDown, "recommend-1")}},
	}}
	w.log(0, chaos.RunStarted, "", "", "")
	w.log(baselineFrom, chaos.BaselineStarted, "", "", "")
	w.log(baselineTo, chaos.BaselineEnded, "", "", "")
	w.perform(bankCut, firstBegun)
	w.perform(recommendDown, secondBegun)
	w.log(loadStopped, chaos.LoadStopped, "", "", "")
	w.log(loadStopped+2, chaos.Quiescent, "", "", "")
	w.log(runEnded, chaos.RunEnded, "", "", "")

	for i := range 1000 { // someone stays out of stock, the others do not
		if i == 0 || i == 4 {
			w.put("inventory.audit_stock", row{"sku": sku(i), "initial": "1000", "on_hand": "1000", "reserved": "0", "sold": "0"})
			w.put("catalog.audit_products", row{"sku": sku(i), "price": "1250"})
		}
	}
	for s := 0.1; s < loadStopped-0.5; s += 0.02 {
		w.browse(s)
	}
	w.holdings()
	n := 0
	for s := 0.25; s < loadStopped-0.5; s += 0.25 {
		w.buy(s, n)
		n++
	}
	return w
}

func sku(i int) string { return fmt.Sprintf("P%05d", i+1) }

func (w *world) log(at float64, kind chaos.EntryKind, experiment, id, detail string) {
	w.journal = append(w.journal, chaos.Entry{Time: moment(at), Kind: kind, Experiment: experiment, ID: id, Detail: detail})
}

// perform writes down an experiment as the runner does.
func (w *world) perform(name string, begun float64) {
	id := name + "/1"
	w.log(begun, chaos.ExperimentBegun, name, "", "")
	w.log(begun+0.5, chaos.Injecting, name, id, "")
	w.log(begun+injectedAfter, chaos.Injected, name, id, "")
	w.log(begun+1, chaos.Proven, name, id, "the probe saw it")
	w.log(begun+liftingAfter, chaos.Lifting, name, id, "")
	w.log(begun+liftingAfter+0.1, chaos.Lifted, name, id, "")
	w.log(begun+liftingAfter+0.2, chaos.LiftProven, name, id, "it is gone")
	w.log(begun+recoveredAfter, chaos.Recovered, name, "", "")
	w.log(begun+auditedAfter, chaos.Audited, name, "0-"+name, "")
	w.log(begun+endedAfter, chaos.ExperimentEnded, name, "", "")
}

// on reports whether an experiment's fault is on.
func on(begun, s float64) bool { return s >= begun+injectedAfter && s < begun+liftingAfter }

// ids are all different; the same world has the same.
func (w *world) id() (t collector.TraceID) {
	w.n++
	binary.BigEndian.PutUint64(t[8:], w.n)
	return t
}

func (w *world) span(t collector.TraceID, from, to string, s, seconds float64, attempt int, code string) *collector.Span {
	id := w.id()
	sp := collector.Span{Trace: t, Service: from, Instance: from + "-1", Peer: to, PeerInstance: to + "-1", Name: "call", Kind: collector.Client,
		Start: moment(s), End: moment(s + seconds), Attempt: attempt, Code: code, Error: code != "OK"}
	copy(sp.ID[:], id[8:])
	w.spans = append(w.spans, sp)
	return &w.spans[len(w.spans)-1]
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func (w *world) request(class string, s, took float64) *loadgen.Request {
	w.requests = append(w.requests, loadgen.Request{Journey: w.n, Class: class, Due: seconds(s), Sent: seconds(s + 0.001), Done: seconds(s + took),
		Outcome: loadgen.OK, Status: 200, Gateway: "gateway-1", TraceID: w.id()})
	return &w.requests[len(w.requests)-1]
}

// browse is a look at the home page, degraded while there are no recommendations.
func (w *world) browse(s float64) {
	r := w.request(loadgen.ClassHome, s, 0.01)
	w.span(r.TraceID, "loader", "gateway", s, 0.01, 1, "OK")
	w.span(r.TraceID, "gateway", "catalog", s+0.002, 0.002, 1, "OK")
	if !on(secondBegun, s) {
		w.span(r.TraceID, "gateway", "recommend", s+0.004, 0.002, 1, "OK")
		return
	}
	r.Outcome, r.Reason = loadgen.Degraded, "recommend=best-sellers"
	sp := w.span(r.TraceID, "gateway", "recommend", s+0.004, 0.002, 1, "UNAVAILABLE")
	// Once it has failed, the breaker is open but for a probe a second.
	if since := s - secondBegun - injectedAfter; since > 0.3 && since-float64(int(since)) < 0.95 {
		sp.PeerInstance, sp.Attrs = "", map[string]string{"call.breaker": "open"}
	}
}

// What becomes of the customers of a golden run, in turn. Most are served.
const (
	served = iota
	soldOut
	declined
	shed
	lostAnswer // no answer, and the order is there
	lostAsk    // no answer, and nothing happened
	givenUp    // pending, and undone after its money was taken
)

func fate(n int) int {
	if n%4 == 3 {
		return 1 + n/4%6
	}
	return served
}

// buy is a customer who fills a cart and pays.
func (w *world) buy(s float64, n int) {
	cart, key, id := fmt.Sprintf("c-r-%d", n), fmt.Sprintf("k-r-%d-1", n), fmt.Sprintf("o-%04d", n)
	add := w.request(loadgen.ClassCartAdd, s, 0.02)
	add.Key, add.Cart, add.SKU, add.Qty = fmt.Sprintf("k-r-%d-0", n), cart, sku(0), 2
	addRow := row{"cart": cart, "key": add.Key, "sku": sku(0), "quantity": "2", "created_at": stampOf(s)}
	w.put("cart.audit_adds", addRow)

	r := w.request(loadgen.ClassCheckout, s+0.1, 0.1)
	r.Key, r.Cart, r.Order, r.Total = key, cart, id, 2500
	w.span(r.TraceID, "gateway", "checkout", s+0.1, 0.1, 1, "OK")
	w.span(r.TraceID, "checkout", "payment", s+0.12, 0.07, 1, "OK")
	sql := w.span(r.TraceID, "payment", "postgres", s+0.13, 0.001, 0, "")
	sql.Error = false
	if on(firstBegun, s) {
		w.span(r.TraceID, "payment", "bank", s+0.13, 0.01, 1, "UNAVAILABLE")
		w.span(r.TraceID, "payment", "bank", s+0.15, 0.01, 2, "OK")
	} else {
		w.span(r.TraceID, "payment", "bank", s+0.13, 0.01, 1, "OK")
	}

	paid, charged, made := true, true, true
	switch r.Status, r.State = 201, "PAID"; fate(n) {
	case soldOut:
		r.Status, r.Reason, r.State = 409, "sold_out", ""
		paid, charged = false, false
	case declined:
		r.Status, r.Reason, r.State = 402, "declined", ""
		paid, charged = false, false
	case shed:
		r.Status, r.Outcome, r.Reason, r.State, r.Order = 503, loadgen.Failed, "shed", "", ""
		paid, charged, made = false, false, false
		// A shop that sheds one checkout in many is still healthy; that one
		// falls outside of the baseline's percent.
		w.requests = w.requests[:len(w.requests)-1]
	case lostAnswer:
		r.Status, r.Outcome, r.Reason, r.State, r.Order = 0, loadgen.Unknown, "timeout", "", ""
	case lostAsk:
		r.Status, r.Outcome, r.Reason, r.State, r.Order = 0, loadgen.Unknown, "timeout", "", ""
		paid, charged, made = false, false, false
	case givenUp:
		r.Status, r.State = 202, "PENDING"
		paid = false
	}
	if r.Outcome == loadgen.Unknown && s < firstBegun || fate(n) == shed {
		// The baseline has to be healthy: these customers stay away from it.
		w.requests = slices.DeleteFunc(w.requests, func(x loadgen.Request) bool { return x.Key == key || x.Key == add.Key })
		w.final["cart.audit_adds"] = slices.DeleteFunc(w.final["cart.audit_adds"], func(x row) bool { return x["cart"] == cart })
		return
	}
	if made {
		w.order(s, id, key, cart, paid, charged)
	}
}

// record renders the world.
func (w *world) record() *chaos.Record {
	rec := &chaos.Record{Plan: w.plan, Schedule: w.schedule, Journal: w.journal, Requests: w.requests, Events: w.events, Torn: w.torn,
		Header: loadgen.Header{Run: "r", Start: start, Seed: 7, Rate: 40}, Faults: map[string]chaos.Fault{}, Spans: index(w.spans), Levels: w.levels}
	if !w.noFault {
		for _, e := range w.schedule.Experiments {
			for _, f := range e.Faults {
				m := meets{passes: len(f.Args) == 0}
				if len(f.Links) > 0 {
					m.peer, m.capacity = f.Links[0].To, w.capacity
				} else {
					m.peer = f.Instances[0]
				}
				rec.Faults[f.ID] = m
			}
		}
	}
	for name, of := range w.early {
		begun := firstBegun
		if name == recommendDown {
			begun = secondBegun
		}
		rec.Audits = append(rec.Audits, chaos.Audit{Name: "0-" + name, Time: moment(begun + auditedAfter), Views: views(of)})
	}
	if w.before != nil {
		rec.Audits = append(rec.Audits, chaos.Audit{Name: chaos.BeforeAudit, Time: moment(-1), Views: views(w.before)})
	}
	if !w.noFinal {
		rec.Audits = append(rec.Audits, chaos.Audit{Name: "final", Time: moment(runEnded), Final: true, Views: views(w.final)})
	}
	return rec
}

// find returns the first row in which a column has a value.
func (w *world) find(t *testing.T, view, column, value string) row {
	t.Helper()
	for _, r := range w.final[view] {
		if r[column] == value {
			return r
		}
	}
	t.Fatalf("%s has no row with %s %s", view, column, value)
	return nil
}

// drop takes away the rows in which a column has a value.
func (w *world) drop(view, column, value string) {
	w.final[view] = slices.DeleteFunc(w.final[view], func(r row) bool { return r[column] == value })
}

// checkoutIn returns the first served checkout that was due in a stretch.
func (w *world) checkoutIn(t *testing.T, from, to float64) *loadgen.Request {
	t.Helper()
	for i := range w.requests {
		r := &w.requests[i]
		if r.Class == loadgen.ClassCheckout && r.State == "PAID" && r.Due.Seconds() >= from && r.Due.Seconds() < to {
			return r
		}
	}
	t.Fatal("no such checkout")
	return nil
}

// inBank and inRecommend lie in the fault phases.
func (w *world) inBank(t *testing.T) *loadgen.Request {
	return w.checkoutIn(t, firstBegun+2, firstBegun+6)
}
func (w *world) inRecommend(t *testing.T) *loadgen.Request {
	return w.checkoutIn(t, secondBegun+2, secondBegun+6)
}

// judge judges a world.
func judge(w *world) chaos.Result { return check.Judge(w.record()) }

// of returns one experiment's result.
func of(t *testing.T, res chaos.Result, name string) chaos.ExperimentResult {
	t.Helper()
	i := slices.IndexFunc(res.Experiments, func(e chaos.ExperimentResult) bool { return e.Name == name })
	if i < 0 {
		t.Fatalf("the result has no experiment %s", name)
	}
	return res.Experiments[i]
}

// restarts notes a crash and a restart, as the engine does.
func (w *world) restarts() {
	for i, kind := range []string{"exited", "restarting", "ready"} {
		w.events = append(w.events, deploy.Event{Time: moment(secondBegun + 1 + float64(i)), Kind: kind, Instance: "recommend-1"})
	}
}
