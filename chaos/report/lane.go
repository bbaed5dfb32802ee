package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/bedlamlab/bedlam/chaos"
)

// A lane is a row of bars and marks below a chart.
type lane struct {
	Name string
	Y    float64
	Bars []bar
}

// A bar is a stretch of time in a lane: a fault that was on, an instance that
// was down. From its begin and end hang marks.
type bar struct {
	X, W, End  string
	Class      string // fault, down, note
	Open       bool   // it had not ended when the chart did
	Text       string // beside it; empty where there is no room
	TextX      string
	Anchor     string
	Title      string
	from, to   float64
	began, off bool // whether its begin and end were seen
}

// stretches pairs what began with what ended: faults by their ID, instances
// that exited or were paused until they were ready or resumed. The rest of the
// events that matter are bars without length.
func stretches(s chaos.Series, end float64) (faults, downs, notes []bar) {
	open := map[string]*bar{}
	begin := func(key, class, title string, at float64) {
		if open[key] == nil {
			open[key] = &bar{Class: class, Title: title, from: at, to: end, began: true}
		}
	}
	finish := func(key string, at float64) *bar {
		b := open[key]
		if b != nil {
			b.to, b.off = at, true
			delete(open, key)
		}
		return b
	}
	add := func(to *[]bar, b *bar) {
		if b != nil {
			*to = append(*to, *b)
		}
	}
	for _, e := range s.Events {
		if math.IsNaN(e.At) {
			continue
		}
		id, _, _ := strings.Cut(e.Text, ": ")
		switch e.Kind {
		case string(chaos.Injected):
			begin("fault "+id, "fault", id, e.At)
		case string(chaos.Lifted):
			add(&faults, finish("fault "+id, e.At))
		case "exited":
			begin("down "+e.Instance, "down", e.Instance+" down", e.At)
		case "ready":
			add(&downs, finish("down "+e.Instance, e.At))
		case "paused":
			begin("paused "+e.Instance, "down", e.Instance+" paused", e.At)
		case "resumed":
			add(&downs, finish("paused "+e.Instance, e.At))
		case string(chaos.Aborted), string(chaos.LiftFailed), string(chaos.Interrupted):
			notes = append(notes, bar{Class: "note", Title: strings.TrimSuffix(e.Kind+" "+e.Text, " "), from: e.At, to: e.At})
		}
	}
	for key, b := range open {
		b.Open = true
		if strings.HasPrefix(key, "fault ") {
			faults = append(faults, *b)
		} else {
			downs = append(downs, *b)
		}
	}
	for _, bars := range [][]bar{faults, downs} {
		slices.SortStableFunc(bars, func(a, b bar) int {
			return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.Title, b.Title))
		})
	}
	return faults, downs, notes
}

// within places bars on an axis and drops those that lie outside of it.
func within(bars []bar, from, to float64) []bar {
	var out []bar
	for _, b := range bars {
		if b.to < from || b.from > to {
			continue
		}
		b.X, b.End = percent(b.from, from, to), percent(b.to, from, to)
		width := (min(b.to, to) - max(b.from, from)) / (to - from)
		b.W = fmt.Sprintf("%.3f%%", 100*max(0, width))
		until := "to the end"
		if !b.Open {
			until = fmt.Sprintf("for %s", duration(b.to-b.from))
		}
		if b.Class != "note" {
			b.Title = fmt.Sprintf("%s: from %.1f s, %s", b.Title, b.from, until)
		} else {
			b.Title = fmt.Sprintf("%s: at %.1f s", b.Title, b.from)
		}
		out = append(out, b)
	}
	return out
}

// beside writes a bar's text where there is more room: after it or before it.
func beside(b bar, text string, from, to float64) bar {
	const lane, letter, least = 430, 6.2, 8 // pixels of a narrow lane and of a letter; letters worth reading
	left, right := (b.from-from)/(to-from), 1-(b.to-from)/(to-from)
	b.TextX, b.Anchor = b.End, "start"
	if right < left {
		b.TextX, b.Anchor = b.X, "end"
	}
	if room := int(max(left, right) * lane / letter); room >= least {
		b.Text = cut(text, room)
	}
	return b
}
