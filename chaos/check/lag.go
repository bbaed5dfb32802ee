package check

import (
	"fmt"
	"strings"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/loadgen"
)

// The generator's own lateness counts into every latency, so it can make a shop
// look worse and never better. What is late enough to matter depends on what
// is measured: a tenth of the tightest time that an experiment is held to.
// Three milliseconds more or less say nothing about a limit of one second,
// and an experiment with a limit of 50 ms is judged ten times as strictly.
const (
	// lagFloor is the lateness below which latencies of some milliseconds are
	// still the shop's.
	lagFloor = 10 * time.Millisecond
	// lagPart of the tightest limit is what lateness may take of it.
	lagPart = 10
	// lagShare of a window's requests may be late: their own percentile (p99)
	// is the highest that the samples of a phase allow.
	lagShare = 0.01
)

// matters is the lateness from which on the figures of a phase are not the
// shop's alone.
func (v *view) matters(phase string) time.Duration {
	tightest := time.Duration(0)
	consider := func(d time.Duration) {
		if d > 0 && (tightest == 0 || d < tightest) {
			tightest = d
		}
	}
	for _, class := range loadgen.Classes {
		consider(loadgen.Limit(class)) // goodput's
	}
	for _, l := range v.spec.Hypothesis.Limits {
		if _, ok := percentiles[l.Metric]; ok && v.window(l.Phase) == v.window(phase) && l.Max < longest {
			consider(time.Duration(l.Max * float64(time.Second)))
		}
	}
	return max(lagFloor, tightest/lagPart)
}

// phases are an experiment's, as limits name them and as a reader does. What
// is measured after the fault begins with the recovery.
var phases = [][2]string{{"baseline", "baseline"}, {"fault", "fault phase"}, {"after", "recovery"}}

// lateIn says how far the generator fell behind in a phase; empty: it did not.
func (v *view) lateIn(phase string) string {
	if text, ok := v.lates[phase]; ok {
		return text
	}
	w := v.window(phase)
	if phase == "after" {
		w.From = v.lifted
	}
	text := ""
	limit := v.matters(phase)
	if late, n := v.m.lag(w, limit); behind(late, n) && w.From >= 0 {
		text = fmt.Sprintf("%d of %d by more than %d ms", late, n, limit.Milliseconds())
	}
	v.lates[phase] = text
	return text
}

// late says in which of the experiment's phases the generator fell behind;
// empty: in none.
func (v *view) late() string {
	var where []string
	for _, p := range phases {
		if text := v.lateIn(p[0]); text != "" {
			where = append(where, "in the "+p[1]+" "+text)
		}
	}
	if len(where) == 0 {
		return ""
	}
	return fmt.Sprintf("the generator sent requests late: %s (at most %g %% may be)", strings.Join(where, ", "), lagShare*100)
}

// lag counts the requests that were due in a window and those sent late.
func (m *meter) lag(w chaos.Window, limit time.Duration) (late, n int) {
	rs := m.due(w)
	for _, r := range rs {
		if r.Lag() > limit {
			late++
		}
	}
	return late, len(rs)
}

// behind reports whether too many were late. A single request is none too many
// in however few: it is one stall of the machine.
func behind(late, n int) bool { return late > 1 && float64(late) > lagShare*float64(n) }

// punctual: the load of the experiment was what was asked for.
var punctual = experimentCheck{
	Check: Check{"generator", "the load generator was punctual while the experiment was measured"},
	on:    onRecord,
	judge: func(v *view) []chaos.Finding {
		if text := v.late(); v.harmed && text != "" {
			return []chaos.Finding{{Verdict: chaos.Inconclusive, Site: "loader", Mechanism: "load", Text: text}}
		}
		return nil
	},
}

// generator: the load was what was asked for, wherever it was measured.
func generator(m *meter) chaos.Gate {
	late, n := m.lag(chaos.Window{To: m.stop + 1}, lagFloor)
	g := chaos.Gate{Name: "generator", OK: n > 0,
		Text: fmt.Sprintf("the generator sent %d of %d requests more than %d ms late", late, n, lagFloor.Milliseconds())}
	measured := 0
	var where []string
	for _, v := range m.views {
		if !v.harmed {
			continue
		}
		measured++
		if v.late() != "" {
			where = append(where, v.Name)
		}
	}
	switch {
	case len(where) > 0:
		g.OK = false
		g.Text += "; enough to matter in " + strings.Join(where, ", ")
	case !behind(late, n):
	case measured > 0:
		g.Text += "; in no experiment enough to matter for its limits"
	default:
		g.OK = false
		g.Text += fmt.Sprintf(" (at most %g %% may be)", lagShare*100)
	}
	return g
}
