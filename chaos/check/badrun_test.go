package check_test

import (
	"slices"
	"testing"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/loadgen"
)

// entry returns the first entry of a kind in an experiment.
func (w *world) entry(t *testing.T, experiment string, kind chaos.EntryKind) *chaos.Entry {
	t.Helper()
	i := slices.IndexFunc(w.journal, func(e chaos.Entry) bool { return e.Experiment == experiment && e.Kind == kind })
	if i < 0 {
		t.Fatalf("the journal has no %s of %q", kind, experiment)
	}
	return &w.journal[i]
}

// erase takes entries out of the journal.
func (w *world) erase(experiment string, kinds ...chaos.EntryKind) {
	w.journal = slices.DeleteFunc(w.journal, func(e chaos.Entry) bool {
		return e.Experiment == experiment && slices.Contains(kinds, e.Kind)
	})
}

// each changes the requests that were due in a stretch.
func (w *world) each(from, to float64, change func(*loadgen.Request)) {
	for i := range w.requests {
		if s := w.requests[i].Due.Seconds(); s >= from && s < to {
			change(&w.requests[i])
		}
	}
}

func failed(r *loadgen.Request) {
	if r.Class == loadgen.ClassHome {
		r.Outcome, r.Status, r.Reason = loadgen.Failed, 503, "http_503"
	}
}

func untruthful(r *loadgen.Request) { r.Outcome, r.Reason = loadgen.Failed, "untrue" }

// limit changes what an experiment holds the shop to.
func (w *world) limit(experiment string, ls ...chaos.Limit) {
	for i := range w.plan.Experiments {
		if w.plan.Experiments[i].Name == experiment {
			w.plan.Experiments[i].Hypothesis.Limits = ls
		}
	}
}

// passing makes an experiment's fault one that passes by itself.
func (w *world) passing(experiment string) {
	for i, e := range w.schedule.Experiments {
		if e.Name == experiment {
			w.schedule.Experiments[i].Faults[0].Args = nil
		}
	}
}

// hang makes an attempt on payment->bank that outlives its timeout by far,
// and with it signs of what the caller did meanwhile.
func (w *world) hang(begun float64, signs ...float64) {
	t := w.id()
	w.span(t, "payment", "bank", begun+2, 4, 1, "DEADLINE_EXCEEDED")
	for _, s := range signs {
		sp := w.span(w.id(), "payment", "postgres", begun+2+s, 0.001, 0, "")
		sp.Error = false
	}
}

// badAnswers are those that the shop was seen to give.
var badAnswers = []bad{
	{"an untrue answer", func(t *testing.T, w *world) {
		w.each(firstBegun+3, firstBegun+3.02, untruthful)
	}, "truth", "catalog", bankCut, chaos.Fail},
	{"an untrue answer before any fault", func(t *testing.T, w *world) {
		w.each(5, 5.02, untruthful)
	}, "truth", "catalog", "", chaos.Fail},
	{"a call without a timeout", func(t *testing.T, w *world) {
		w.hang(firstBegun, 1, 1.5, 2, 2.5)
	}, "timeouts", "payment->bank", bankCut, chaos.Fail},
	{"a call that is tried too often", func(t *testing.T, w *world) {
		w.span(w.id(), "payment", "bank", firstBegun+2, 0.01, 3, "UNAVAILABLE")
	}, "retries", "payment->bank", bankCut, chaos.Fail},
}

// badMeasures are those that the figures show.
var badMeasures = []bad{
	{"goodput below its limit", func(t *testing.T, w *world) {
		w.each(firstBegun+2, firstBegun+5, failed)
	}, "hypothesis", "", bankCut, chaos.Fail},
	{"goodput that stays low", func(t *testing.T, w *world) {
		w.each(secondBegun+10, secondBegun+16, failed)
	}, "hypothesis", "", recommendDown, chaos.Fail},
	{"slow answers", func(t *testing.T, w *world) {
		w.each(firstBegun+1, firstBegun+7, func(r *loadgen.Request) { r.Done += seconds(0.7) })
	}, "hypothesis", "", bankCut, chaos.Fail},
	{"an edge that is asked too often", func(t *testing.T, w *world) {
		w.limit(bankCut, chaos.Limit{Metric: "amplification", Phase: "fault", Edge: "payment->bank", Min: 1, Max: 1.5})
	}, "hypothesis", "payment->bank", bankCut, chaos.Fail},
	{"an edge that is asked too often, and often not at all", func(t *testing.T, w *world) {
		w.limit(bankCut, chaos.Limit{Metric: "amplification", Phase: "fault", Edge: "payment->bank", Min: 1, Max: 1.5})
		for i := range 300 { // calls that an open breaker ends before they leave
			sp := w.span(w.id(), "payment", "bank", firstBegun+1+float64(i)/100, 0.001, 1, "UNAVAILABLE")
			sp.PeerInstance, sp.Attrs = "", map[string]string{"call.breaker": "open"}
		}
	}, "hypothesis", "payment->bank", bankCut, chaos.Fail},
	{"no recovery in time", func(t *testing.T, w *world) {
		w.limit(recommendDown, chaos.Limit{Metric: "recovery", Max: 1})
		w.each(secondBegun+7, secondBegun+10, failed)
	}, "hypothesis", "", recommendDown, chaos.Fail},
	{"a crash that the shop gets over late, and before its lift", func(t *testing.T, w *world) {
		w.limit(recommendDown, chaos.Limit{Metric: "recovery", Max: 5})
		w.passing(recommendDown)
		w.each(secondBegun+injectedAfter, secondBegun+liftingAfter-0.5, failed)
	}, "hypothesis", "", recommendDown, chaos.Fail},
	{"no recovery at all, though no limit asks for one", func(t *testing.T, w *world) {
		w.limit(recommendDown, chaos.Limit{Metric: "goodput", Phase: "fault", Min: 0.9, Max: 1})
		w.entry(t, recommendDown, chaos.Recovered).Kind = chaos.NotRecovered
		w.each(secondBegun+liftingAfter, loadStopped, failed)
	}, "recovery", "", recommendDown, chaos.Fail},
	{"too few requests for a percentile", func(t *testing.T, w *world) {
		w.limit(bankCut, chaos.Limit{Metric: "p99.9", Phase: "fault", Max: 1})
	}, "hypothesis", "", bankCut, chaos.Inconclusive},
	{"no request of a class", func(t *testing.T, w *world) {
		w.limit(bankCut, chaos.Limit{Metric: "lost", Phase: "fault", Class: loadgen.ClassOrder, Max: 10})
	}, "hypothesis", "", bankCut, chaos.Inconclusive},
	{"a metric that nobody knows", func(t *testing.T, w *world) {
		w.limit(bankCut, chaos.Limit{Metric: "happiness", Phase: "fault", Max: 10})
	}, "hypothesis", "", bankCut, chaos.Inconclusive},
	{"the abort limit is breached", func(t *testing.T, w *world) {
		w.journal = slices.Insert(w.journal, 8, chaos.Entry{Time: moment(firstBegun + 6), Kind: chaos.Aborted, Experiment: bankCut,
			Detail: "goodput 0.100 of 300 requests is below the experiment's abort limit of 0.500"})
	}, "abort", "", bankCut, chaos.Fail},
	{"the lease was lost", func(t *testing.T, w *world) {
		w.journal = slices.Insert(w.journal, 8, chaos.Entry{Time: moment(firstBegun + 6), Kind: chaos.LeaseLost, Experiment: bankCut, Detail: "it expired"})
		w.erase(bankCut, chaos.ExperimentEnded)
	}, "abort", "", bankCut, chaos.Inconclusive},
	{"a limit that only the generator broke", func(t *testing.T, w *world) {
		w.limit(bankCut, chaos.Limit{Metric: "p50", Phase: "fault", Max: 0.05})
		n := 0
		w.each(firstBegun+1, firstBegun+7, func(r *loadgen.Request) {
			if n++; n%3 > 0 {
				r.Sent, r.Done = r.Sent+seconds(0.07), r.Done+seconds(0.07)
			}
		})
	}, "hypothesis", "", bankCut, chaos.Inconclusive},
}

// badRecords are those that say nothing.
var badRecords = []bad{
	{"a fault that could not be lifted", func(t *testing.T, w *world) {
		w.entry(t, bankCut, chaos.LiftProven).Kind = chaos.LiftFailed
	}, "lift", "", bankCut, chaos.Inconclusive},
	{"a fault that nobody saw", func(t *testing.T, w *world) {
		e := w.entry(t, bankCut, chaos.Proven)
		e.Kind, e.Detail = chaos.Unproven, "it answered"
	}, "witnesses", "", bankCut, chaos.Inconclusive},
	{"a fault without an entry of its probe", func(t *testing.T, w *world) {
		w.erase(bankCut, chaos.Proven)
	}, "witnesses", "", bankCut, chaos.Inconclusive},
	{"a fault that no request met", func(t *testing.T, w *world) {
		for i := range w.spans {
			if w.spans[i].Peer == "bank" {
				w.spans[i].Error = false
			}
		}
	}, "witnesses", "", bankCut, chaos.Inconclusive},
	{"a fault that was met only after its lift", func(t *testing.T, w *world) {
		for i := range w.spans {
			if w.spans[i].Peer == "bank" {
				w.spans[i].Error = false
			}
		}
		w.span(w.id(), "payment", "bank", firstBegun+8, 0.01, 1, "UNAVAILABLE")
	}, "witnesses", "", bankCut, chaos.Inconclusive},
	{"one of two faults is not proven", func(t *testing.T, w *world) {
		w.schedule.Experiments[0].Faults = append(w.schedule.Experiments[0].Faults, chaos.Resolved{ID: bankCut + "/2", Action: "kill", Instances: []string{"payment-2"}})
	}, "witnesses", "", bankCut, chaos.Inconclusive},
	{"one of two faults is met by no request", func(t *testing.T, w *world) {
		second := chaos.Resolved{ID: bankCut + "/2", Action: "kill", Instances: []string{"payment-2"}}
		w.schedule.Experiments[0].Faults = append(w.schedule.Experiments[0].Faults, second)
		for _, e := range slices.Clone(w.journal) {
			if e.Experiment == bankCut && e.ID != "" {
				e.ID, e.Fault = second.ID, nil
				w.journal = append(w.journal, e)
			}
		}
		slices.SortStableFunc(w.journal, func(a, b chaos.Entry) int { return a.Time.Compare(b.Time) })
	}, "witnesses", "", bankCut, chaos.Inconclusive},
	{"a power that the engine has not got", func(t *testing.T, w *world) {
		w.erase(bankCut, chaos.Injecting, chaos.Injected, chaos.Proven, chaos.Lifting, chaos.Lifted, chaos.LiftProven, chaos.Recovered, chaos.Audited)
		w.journal = slices.Insert(w.journal, 4, chaos.Entry{Time: moment(firstBegun), Kind: chaos.Unsupported, Experiment: bankCut, Detail: "no Killer"})
	}, "witnesses", "", bankCut, chaos.Inconclusive},
	{"an experiment that never began", func(t *testing.T, w *world) {
		w.journal = slices.DeleteFunc(w.journal, func(e chaos.Entry) bool { return e.Experiment == recommendDown })
	}, "witnesses", "", recommendDown, chaos.Inconclusive},
	{"injecting failed", func(t *testing.T, w *world) {
		w.erase(bankCut, chaos.Injected)
		e := w.entry(t, bankCut, chaos.Proven)
		e.Kind, e.Detail = chaos.Unproven, "injecting failed: no such instance"
	}, "witnesses", "", bankCut, chaos.Inconclusive},
	{"a late generator", func(t *testing.T, w *world) {
		w.each(secondBegun+3, secondBegun+3.5, func(r *loadgen.Request) { r.Sent, r.Done = r.Sent+seconds(0.2), r.Done+seconds(0.2) })
	}, "generator", "loader", recommendDown, chaos.Inconclusive},
	{"an experiment that was cut short", func(t *testing.T, w *world) {
		w.erase(recommendDown, chaos.ExperimentEnded)
	}, "finished", "", recommendDown, chaos.Inconclusive},
	{"an audit that could not be read", func(t *testing.T, w *world) {
		e := w.entry(t, bankCut, chaos.Audited)
		e.ID, e.Detail = "", "failed: connection refused"
	}, "audit", "", bankCut, chaos.Inconclusive},
	{"a plan without limits", func(t *testing.T, w *world) {
		w.limit(recommendDown)
	}, "plan", "", recommendDown, chaos.Inconclusive},
	{"an experiment that the plan does not know", func(t *testing.T, w *world) {
		w.plan.Experiments = w.plan.Experiments[:1]
	}, "plan", "", recommendDown, chaos.Inconclusive},
}

func TestNotLifted(t *testing.T) {
	for name, spoil := range map[string]func(*world){
		"the runner could not": func(w *world) { w.entry(t, bankCut, chaos.LiftProven).Kind = chaos.LiftFailed },
		"nobody says so":       func(w *world) { w.erase(bankCut, chaos.LiftProven) },
		"a healing could not": func(w *world) {
			w.erase(bankCut, chaos.LiftProven)
			w.log(runEnded+1, chaos.LiftFailed, "", bankCut+"/1", "no such instance")
		},
		"one of two faults": func(w *world) {
			w.schedule.Experiments[0].Faults = append(w.schedule.Experiments[0].Faults, chaos.Resolved{ID: bankCut + "/2", Action: "kill", Instances: []string{"bank-1"}})
			w.log(20, chaos.Injecting, bankCut, bankCut+"/2", "")
			w.log(20, chaos.LiftFailed, bankCut, bankCut+"/2", "still down")
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := golden()
			spoil(w)
			// 4 hides even a failure.
			w.find(t, "checkout.audit_sagas", "order_id", w.inRecommend(t).Order)["state"] = "running"
			res := judge(w)
			e := of(t, res, bankCut)
			if e.Recovery.Status != "not-lifted" || e.Verdict == chaos.Pass || res.Exit != 4 {
				t.Errorf("got recovery %s, %s, exit %d; want not-lifted and 4", e.Recovery.Status, e.Verdict, res.Exit)
			}
			if !slices.ContainsFunc(e.Findings, func(f chaos.Finding) bool { return f.Check == "lift" }) {
				t.Errorf("no finding says it:%s", list(res))
			}
		})
	}
	t.Run("healed later", func(t *testing.T) {
		w := golden()
		w.entry(t, bankCut, chaos.LiftProven).Kind = chaos.LiftFailed
		w.log(runEnded+1, chaos.LiftProven, "", bankCut+"/1", "healed after the run was cut short")
		if res := judge(w); res.Exit == 4 {
			t.Error("what was healed is still called not lifted")
		}
	})
}
