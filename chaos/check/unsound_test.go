package check_test

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/check"
	"github.com/bedlamlab/bedlam/loadgen"
)

// Runs that say nothing: never a PASS, and what was measured in them accuses
// nobody.
func TestUnsound(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, w *world){
		"a torn tail":              func(t *testing.T, w *world) { w.torn = []string{"the history's tail is torn"} },
		"spans above the limit":    func(t *testing.T, w *world) { w.torn = []string{"spans: 12 were dropped above the limit"} },
		"interrupted":              func(t *testing.T, w *world) { w.log(30, chaos.Interrupted, recommendDown, "", "interrupt") },
		"a journal without an end": func(t *testing.T, w *world) { w.erase("", chaos.RunEnded) },
		"no requests":              func(t *testing.T, w *world) { w.requests = nil },
		"no spans":                 func(t *testing.T, w *world) { w.spans = nil },
		"no baseline":              func(t *testing.T, w *world) { w.erase("", chaos.BaselineStarted, chaos.BaselineEnded) },
		"an ill baseline":          func(t *testing.T, w *world) { w.each(4, 6, failed) },
		"no final audit":           func(t *testing.T, w *world) { w.noFinal = true },
		"no faults to ask":         func(t *testing.T, w *world) { w.noFault = true },
		"a view is missing":        func(t *testing.T, w *world) { delete(w.final, "bank.audit_ledger") },
		"a view without rows": func(t *testing.T, w *world) {
			w.final["shipping.audit_shipments"], w.final["orders.audit_outbox"] = nil, nil
		},
		"an amount that is none": func(t *testing.T, w *world) { w.final["bank.audit_ledger"][0]["amount"] = "12,50" },
		"an amount too large":    func(t *testing.T, w *world) { w.final["bank.audit_ledger"][0]["amount"] = "99999999999999999999" },
		"a column is missing": func(t *testing.T, w *world) {
			for _, r := range w.final["inventory.audit_stock"] {
				delete(r, "on_hand")
			}
		},
		"an experiment was cut short": func(t *testing.T, w *world) { w.erase(recommendDown, chaos.ExperimentEnded) },
		"it was cut short while failing": func(t *testing.T, w *world) {
			w.each(firstBegun+2, firstBegun+6, failed)
			w.erase(bankCut, chaos.ExperimentEnded)
		},
		"it failed without a proven fault": func(t *testing.T, w *world) {
			w.each(firstBegun+2, firstBegun+6, failed)
			w.entry(t, bankCut, chaos.Proven).Kind = chaos.Unproven
		},
		"killed in the middle of a fault": func(t *testing.T, w *world) {
			for i, e := range w.journal {
				if e.Experiment == recommendDown && e.Kind == chaos.Lifting {
					w.journal = w.journal[:i]
					break
				}
			}
			w.noFinal = true
		},
		"an empty schedule": func(t *testing.T, w *world) { w.schedule.Experiments = nil },
	} {
		t.Run(name, func(t *testing.T) {
			w := golden()
			spoil(t, w)
			res := judge(w)
			if res.Verdict == chaos.Pass || res.Exit == 0 || len(res.Reasons) == 0 {
				t.Errorf("got %s, exit %d, reasons %q", res.Verdict, res.Exit, res.Reasons)
			}
			if name != "a view without rows" && (res.Verdict != chaos.Inconclusive || res.Exit != 3) {
				t.Errorf("got %s, exit %d, want INCONCLUSIVE and 3: %s", res.Verdict, res.Exit, list(res))
			}
			encode(t, res)
		})
	}
}

func TestHarmStandsInAnUnsoundRun(t *testing.T) {
	w := golden()
	w.torn = []string{"spans were dropped"}
	w.each(0, loadStopped, func(r *loadgen.Request) { r.Sent += seconds(0.5) })
	w.find(t, "checkout.audit_sagas", "order_id", w.inBank(t).Order)["state"] = "running"
	res := judge(w)
	if res.Verdict != chaos.Fail || res.Exit != 1 || of(t, res, bankCut).Verdict != chaos.Fail {
		t.Errorf("got %s, exit %d", res.Verdict, res.Exit)
	}
	if of(t, res, recommendDown).Verdict != chaos.Inconclusive {
		t.Error("the other experiment must stay undecided")
	}
	if !strings.HasPrefix(res.Reasons[0], bankCut+": ") {
		t.Errorf("the first reason is %q; what accuses comes first", res.Reasons[0])
	}
}

func TestTornHistoryInventsNoPhantoms(t *testing.T) {
	w := golden()
	w.torn = []string{"the history's tail is torn"}
	w.requests = w.requests[:len(w.requests)*3/4]
	if res := judge(w); res.Verdict != chaos.Inconclusive {
		t.Errorf("got %s:%s", res.Verdict, list(res))
	}
}

func TestNothingAtAll(t *testing.T) {
	for name, rec := range map[string]*chaos.Record{
		"zero":           {},
		"a journal only": {Journal: golden().journal},
		"no clock":       {Journal: golden().journal, Requests: golden().requests, Schedule: golden().schedule},
		"a mad clock": {Journal: []chaos.Entry{{Kind: chaos.LoadStopped, Time: time.Unix(1<<40, 0)}}, Requests: []loadgen.Request{{Due: -5}, {Due: math.MaxInt64, Outcome: 77}},
			Header: loadgen.Header{Rate: math.NaN(), Start: start}, Schedule: golden().schedule},
		"rows that do not fit": {Audits: []chaos.Audit{{Final: true, Views: map[string]chaos.View{
			"orders.audit_orders": {Columns: []string{"order_id", "key", "state", "total"}, Rows: [][]string{{"o"}, nil, {"a", "b", "c", "d", "e"}}}}}}},
	} {
		t.Run(name, func(t *testing.T) {
			res := check.Judge(rec)
			if res.Verdict != chaos.Inconclusive || res.Exit != 3 {
				t.Errorf("got %s, exit %d", res.Verdict, res.Exit)
			}
			encode(t, res)
		})
	}
}

// encode wants a result that JSON can hold and that reads back the same.
func encode(t *testing.T, res chaos.Result) []byte {
	t.Helper()
	b, err := json.Marshal(res)
	if err != nil {
		t.Fatalf("the result cannot be written: %v", err)
	}
	var back chaos.Result
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatalf("the result cannot be read back: %v", err)
	}
	again, err := json.Marshal(back)
	if err != nil || !bytes.Equal(b, again) {
		t.Errorf("the result reads back different (%v)", err)
	}
	for _, list := range []string{`"reasons":null`, `"experiments":null`, `"gates":null`, `"audit":null`, `"findings":null`, `"rows":null`, `"hops":null`, `"traces":null`} {
		if bytes.Contains(b, []byte(list)) {
			t.Errorf("the result holds %s: an empty list is [] for whoever reads it", list)
		}
	}
	return b
}
