package check

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/loadgen"
	"github.com/bedlamlab/bedlam/observability/collector"
)

// hops says of each phase where its requests that got no good answer failed
// first: of the fault phase with the recovery, of what came after, and of the
// baseline, which an experiment shares with the others.
func hops(v *view) []chaos.Hop {
	out := []chaos.Hop{}
	if !v.harmed {
		return out
	}
	for _, p := range []struct {
		name string
		w    chaos.Window
	}{
		{"fault", chaos.Window{From: v.fault.From, To: max(v.fault.To, v.after.From)}}, {"after", v.after}, {"baseline", v.baseline},
	} {
		for _, h := range v.hopsIn(p.w) {
			h.Phase = p.name
			out = append(out, h)
		}
	}
	return out
}

// hopsIn counts where the requests of a window that got no good answer failed
// first, most frequent first.
func (v *view) hopsIn(w chaos.Window) []chaos.Hop {
	var out []chaos.Hop
	for _, r := range v.m.due(w) {
		if good(r) {
			continue
		}
		spans := v.m.trace(r.TraceID)
		site, why := "", r.Reason
		if h, ok := collector.FirstFailingHop(spans); ok {
			site, why = h.Site, h.Error
		} else if site = heaviest(spans); site != "" {
			why = "slow"
		}
		if site == "" {
			site = loadgenSite
		}
		i := slices.IndexFunc(out, func(h chaos.Hop) bool { return h.Site == site && h.Error == why })
		if i < 0 {
			out = append(out, chaos.Hop{Site: site, Error: why, Example: collector.TraceID(r.TraceID).String()})
			i = len(out) - 1
		}
		out[i].Count++
	}
	slices.SortStableFunc(out, func(a, b chaos.Hop) int { return cmp.Compare(b.Count, a.Count) })
	return out
}

// trace returns the spans of a request, by start; none if the record has none
// at all. Those that begin at once stand by id, so that they stand the same way
// tomorrow.
func (m *meter) trace(id [16]byte) []collector.Span {
	if m.rec.Spans == nil {
		return nil
	}
	spans := slices.Clone(m.rec.Spans.Trace(id))
	slices.SortFunc(spans, func(a, b collector.Span) int {
		return cmp.Or(a.Start.Compare(b.Start), bytes.Compare(a.ID[:], b.ID[:]))
	})
	return spans
}

// loadgenSite is where a request failed that left no span behind it.
const loadgenSite = "loader->gateway"

// heaviest returns the site of the span that took the most time of its own:
// without that of its children.
func heaviest(spans []collector.Span) string {
	var own time.Duration
	var at *collector.Span
	below := map[collector.SpanID]time.Duration{}
	for _, s := range spans {
		below[s.Parent] += s.Duration()
	}
	for i, s := range spans {
		left := s.Duration() - below[s.ID]
		if left > own {
			own, at = left, &spans[i]
		}
	}
	switch {
	case at == nil:
		return ""
	case at.Peer != "":
		return at.Service + "->" + at.Peer
	}
	return at.Service
}

// How many traces a report draws of one experiment: enough to see a pattern,
// few enough to look at each.
const (
	namedDrawn   = 8 // by findings: more than one experiment has when one thing is wrong
	failedDrawn  = 2
	slowestDrawn = 1
)

// waterfalls picks an experiment's most telling traces: those that its
// findings name, and the slowest of the bad and of the good requests.
func waterfalls(v *view, findings []chaos.Finding) []chaos.Waterfall {
	if !v.harmed {
		return nil
	}
	named := map[string]bool{}
	for _, f := range findings {
		named[f.Trace] = f.Trace != ""
	}
	var bad, rest, told []loadgen.Request
	for _, r := range v.m.due(chaos.Window{From: v.begun, To: v.after.To}) {
		if id := collector.TraceID(r.TraceID).String(); named[id] {
			told = append(told, r)
			delete(named, id) // drawn once, also if two requests bear it
		}
	}
	for _, r := range v.m.due(v.fault) {
		if good(r) {
			rest = append(rest, r)
		} else {
			bad = append(bad, r)
		}
	}
	slowestFirst := func(a, b loadgen.Request) int { return cmp.Compare(b.Latency(), a.Latency()) }
	slices.SortStableFunc(bad, slowestFirst)
	slices.SortStableFunc(rest, slowestFirst)
	on := v.stretches()
	var out []chaos.Waterfall
	draw := func(rs []loadgen.Request, most int) {
		for _, r := range rs {
			if most == 0 {
				return
			}
			id := collector.TraceID(r.TraceID).String()
			if slices.ContainsFunc(out, func(w chaos.Waterfall) bool { return w.Trace == id }) {
				continue
			}
			if w, ok := waterfall(v, r, on); ok {
				out = append(out, w)
				most--
			}
		}
	}
	draw(told, namedDrawn)
	draw(bad, failedDrawn)
	draw(rest, slowestDrawn)
	return out
}

func waterfall(v *view, r loadgen.Request, on []stretch) (chaos.Waterfall, bool) {
	spans := v.m.trace(r.TraceID)
	if len(spans) == 0 {
		return chaos.Waterfall{}, false
	}
	w := chaos.Waterfall{Trace: collector.TraceID(r.TraceID).String(), Class: r.Class, Outcome: r.Outcome.String(),
		Experiment: v.Name, At: r.Due.Seconds(), Seconds: r.Latency().Seconds()}
	if r.Reason != "" {
		w.Outcome += " (" + r.Reason + ")"
	}
	begin := spans[0].Start
	for _, n := range collector.Tree(spans) {
		s := n.Span
		bar := chaos.WaterfallSpan{Depth: n.Depth, Service: s.Service, Instance: s.Instance, Name: s.Name,
			From: s.Start.Sub(begin).Seconds(), Seconds: s.Duration().Seconds(), Fault: met(on, s)}
		if s.Error {
			bar.Error = cmp.Or(s.Code, s.Message, "error")
		}
		w.Spans = append(w.Spans, bar)
	}
	return w, true
}
