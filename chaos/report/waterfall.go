package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/bedlamlab/bedlam/chaos"
)

// mostSpans is how many spans of one trace are drawn: more than a person reads.
const mostSpans = 200

// mostIndent is the depth below which spans are not indented further.
const mostIndent = 9

// A waterfall is one trace as the page draws it: a row per span.
type waterfall struct {
	ID, Trace      string
	Class, Outcome string
	Experiment     string
	At, Took       string
	Bad            bool // no good answer
	Open           bool // shown unfolded
	Rows           []spanRow
	More           string // how many spans are not drawn
	Ticks          []label
}

type spanRow struct {
	Indent, Service, Instance string
	Name, Full                string // Full only where Name is shortened
	X, W                      string
	From, Took                string
	Error, Fault              string
	Class                     string
}

// newWaterfall lays a trace's spans out over its whole length. Spans may begin
// before their parent, as clocks do, and end after it, as work in the
// background does.
func newWaterfall(n int, w chaos.Waterfall) waterfall {
	out := waterfall{ID: "trace-" + strconv.Itoa(n), Trace: w.Trace, Class: w.Class, Outcome: w.Outcome, Experiment: w.Experiment,
		At: fmt.Sprintf("%.2f s", w.At), Took: duration(w.Seconds)}
	out.Bad = w.Outcome != "ok" && w.Outcome != "degraded"
	from, to := 0.0, 0.0
	for _, s := range w.Spans {
		if end := s.From + max(0, s.Seconds); !math.IsNaN(end) && !math.IsInf(end, 0) {
			from, to = min(from, s.From), max(to, end)
		}
	}
	for _, s := range w.Spans {
		if len(out.Rows) == mostSpans {
			out.More = fmt.Sprintf("and %s more", plural(len(w.Spans)-mostSpans, "span"))
			break
		}
		row := spanRow{Indent: strconv.Itoa(max(0, min(s.Depth, mostIndent))), Service: s.Service, Instance: s.Instance, Name: method(s.Name),
			From: duration(max(0, s.From)), Took: duration(s.Seconds), Error: s.Error, Fault: s.Fault,
			X: percent(s.From, from, to), W: "0%", Class: "span"}
		if to > from && s.Seconds > 0 {
			row.W = fmt.Sprintf("%.3f%%", 100*min(1, s.Seconds/(to-from)))
		}
		if row.Name != s.Name {
			row.Full = s.Name
		}
		if s.Error != "" {
			row.Class += " error"
		}
		if s.Fault != "" {
			row.Class += " met"
		}
		out.Rows = append(out.Rows, row)
	}
	for i, anchor := range []string{"start", "middle", "end"} {
		share := float64(i) / 2
		out.Ticks = append(out.Ticks, label{X: fmt.Sprintf("%.0f%%", 100*share), Text: duration((to - from) * share), Anchor: anchor})
	}
	return out
}

// method leaves the package out of an RPC's name, which is most of it and the
// same in all: shop.cart.v1.Cart/Get becomes Cart/Get.
func method(name string) string {
	service, rest, rpc := strings.Cut(name, "/")
	if i := strings.LastIndexByte(service, '.'); rpc && i >= 0 && !strings.Contains(service, " ") {
		return service[i+1:] + "/" + rest
	}
	return name
}
