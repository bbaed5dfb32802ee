package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/bedlamlab/bedlam/chaos"
)

// runChart draws the whole run: each experiment's fault phase is shaded,
// numbered as in the overview and leads to its section.
func runChart(r chaos.Result, sections []*section) *chart {
	end := r.Seconds
	if !(end > 0) || math.IsInf(end, 0) {
		end = float64(len(r.Series.Intended))
	}
	bs := bins(r.Series, 0, end)
	if len(bs) == 0 {
		return nil
	}
	from, to := ends(bs)
	var bands []band
	for _, s := range sections {
		if !sane(s.Fault) {
			continue
		}
		b := shade(s.Fault, from, to)
		b.Class, b.Href = "fault", s.ID
		b.Title = fmt.Sprintf("%d. %s: %s", s.Number, s.Title, s.Verdict.Word)
		if len(sections) <= 24 { // more numbers than that would run into one another
			b.Text = fmt.Sprintf("%d %s", s.Number, s.Verdict.Mark)
		}
		bands = append(bands, b)
	}
	faults, downs, notes := stretches(r.Series, to)
	var lanes []lane
	for _, l := range []lane{{Name: "faults", Bars: within(faults, from, to)}, {Name: "down", Bars: within(downs, from, to)}, {Name: "alarm", Bars: within(notes, from, to)}} {
		if len(l.Bars) > 0 {
			lanes = append(lanes, l)
		}
	}
	return newChart("run-chart", "the run", r.Series, 0, end, bands, lanes)
}

// Room around an experiment in its own chart, in seconds: what was normal
// before, and the first of what came after.
const (
	roomBefore = 5
	roomAfter  = 2
	mostLanes  = 8 // of one chart; the rest is in the list of events
)

// closeUp draws one experiment: its fault phase, and the stretch after it that
// was measured.
func closeUp(r chaos.Result, e chaos.ExperimentResult, id string) *chart {
	if !sane(e.Fault) {
		return nil
	}
	start, end := around(r, e)
	bs := bins(r.Series, start, end)
	if len(bs) == 0 {
		return nil
	}
	from, to := ends(bs)
	fault := shade(e.Fault, from, to)
	fault.Class, fault.Text, fault.Title = "fault", "fault", fmt.Sprintf("fault phase: %s to %s", duration(e.Fault.From), duration(e.Fault.To))
	bands := []band{fault}
	if sane(e.After) {
		after := shade(e.After, from, to)
		after.Class, after.Text, after.Title = "after", "after", fmt.Sprintf("measured after the lift: %s to %s", duration(e.After.From), duration(e.After.To))
		bands = append(bands, after)
	}
	faults, downs, notes := stretches(r.Series, to)
	var own []bar
	for _, b := range faults {
		if of, n, ok := strings.Cut(b.Title, "/"); ok && of == e.Name {
			text := b.Title
			if i, err := strconv.Atoi(n); err == nil && i >= 1 && i <= len(e.Injection.Faults) {
				text = e.Injection.Faults[i-1]
			}
			b.Title = text
			own = append(own, b)
		}
	}
	downs = slices.DeleteFunc(downs, func(b bar) bool { return b.to < e.Fault.From }) // the experiment's before
	var lanes []lane
	for _, bars := range [][]bar{own, downs, notes} {
		for _, b := range within(bars, from, to) {
			text, _, _ := strings.Cut(b.Title, ": from ")
			text, _, _ = strings.Cut(text, ": at ")
			if !b.Open && b.Class == "down" {
				text += " " + duration(b.to-b.from)
			}
			if len(lanes) < mostLanes {
				lanes = append(lanes, lane{Bars: []bar{beside(b, text, from, to)}})
			}
		}
	}
	return newChart(id, e.Title, r.Series, start, end, bands, lanes)
}

// around is the stretch that shows an experiment: some room before and after
// it, but nothing of the next one's fault.
func around(r chaos.Result, e chaos.ExperimentResult) (from, to float64) {
	last := max(e.Fault.To, e.After.To)
	from, to = max(0, e.Fault.From-roomBefore), last+roomAfter
	for _, other := range r.Experiments {
		if other.Fault.From >= last {
			to = min(to, math.Floor(other.Fault.From))
		}
	}
	return from, max(to, last)
}

// ends are those of a chart's axis: the last bin is drawn as wide as the first.
func ends(bs []bin) (from, to float64) {
	return bs[0].From, bs[0].From + (bs[0].To-bs[0].From)*float64(len(bs))
}

// sane reports whether a window can be drawn: it was reached, and ends after
// it began.
func sane(w chaos.Window) bool {
	return w.To > w.From && w.From >= 0 && !math.IsInf(w.To, 0)
}

func shade(w chaos.Window, from, to float64) band {
	width := (min(w.To, to) - max(w.From, from)) / (to - from)
	return band{X: percent(w.From, from, to), W: fmt.Sprintf("%.3f%%", 100*min(1, max(0, width))),
		Mid: percent((max(w.From, from)+min(w.To, to))/2, from, to)}
}
