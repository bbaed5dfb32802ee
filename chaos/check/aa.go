package check

import (
	"slices"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
)

// An AA is two runs of the same system with the same customers, neither of
// which was harmed: what is found to differ between them is a false alarm.
type AA struct {
	Pair  Pair   // as if the first had had faults
	Alarm string // that the second, as an earlier result, raises; empty: none
	Unfit string // why the two say nothing; empty: they do
}

// Alarms compares two controls of the same seed: each experiment's time is
// taken as if it had had its fault.
func Alarms(a, b *chaos.Record) AA {
	with := windows(a)
	first, second := Measure(a, with), Measure(b, with)
	aa := AA{Pair: Pair{Fault: asIf(a, first, with), Control: second}}
	for _, e := range with.Experiments {
		if first.Unfit[e.Name] != "" {
			aa.Unfit = first.Unfit[e.Name]
		} else if second.Unfit[e.Name] != "" {
			aa.Unfit = second.Unfit[e.Name]
		}
	}
	if len(with.Experiments) == 0 {
		aa.Unfit = "the run ended before any experiment's time"
	}
	if aa.Unfit == "" {
		now := aa.Pair.Fault
		Against(&now, asIf(b, second, with))
		for _, f := range now.Findings {
			if f.Check == regression {
				aa.Alarm = f.Text
			}
		}
	}
	return aa
}

// windows are the times that each experiment of a control took: the first half
// stands for that of the fault, the second for what came after.
func windows(rec *chaos.Record) chaos.Result {
	m := newMeter(rec)
	res := chaos.Result{Gates: gates(m)}
	for _, v := range m.views {
		i := slices.IndexFunc(v.entries, func(e chaos.Entry) bool { return e.Kind == chaos.ExperimentEnded })
		if i < 0 || v.begun < 0 {
			continue
		}
		end := m.at(v.entries[i].Time)
		half := v.begun + (end-v.begun)/2
		res.Experiments = append(res.Experiments, chaos.ExperimentResult{Name: v.Name, Baseline: v.baseline,
			Fault: chaos.Window{From: v.begun, To: half}, After: chaos.Window{From: half, To: end}})
	}
	return res
}

// asIf is a control's figures as the result of a run with faults that passed.
func asIf(rec *chaos.Record, c Control, with chaos.Result) chaos.Result {
	res := c.Result
	res.Control, res.Findings, res.Started = false, []chaos.Finding{}, rec.Plan.Started.Truncate(time.Second)
	res.Experiments = []chaos.ExperimentResult{}
	for _, e := range with.Experiments {
		e.Verdict, e.Rows, e.Findings = chaos.Pass, c.Rows[e.Name], []chaos.Finding{}
		e.Injection.Status = "proven"
		e.Recovery = chaos.Recovery{Status: "recovered"}
		for i := range e.Rows {
			if e.Rows[i].Metric == "recovery" {
				none := 0.0 // nothing was there to recover from
				e.Rows[i].After = &none
			}
		}
		res.Experiments = append(res.Experiments, e)
	}
	return res
}

// AlarmOver is what the pairs of A/A runs together are accused of, by the rule
// of [Compare]; empty: of nothing. Limits of the hypothesis are left aside:
// they are what a fault should do, and there was none.
func AlarmOver(asked chaos.Pairs, es []chaos.Experiment, pairs []Pair) string {
	es = slices.Clone(es)
	for i := range es {
		h := &es[i].Hypothesis
		h.Margins, h.Limits = h.AllMargins(), nil
	}
	for _, r := range Compare(asked, es, pairs).Rows {
		if r.Verdict == chaos.Fail {
			return r.Experiment + ": " + r.Text
		}
	}
	return ""
}
