package check

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/topology"
)

const (
	// stray is how many attempts may still set out at an instance whose breaker
	// has surely opened: such as had passed it and were held up by a busy machine.
	stray = 4
	// toClose is how long after it may ask again a breaker may take to close,
	// in an instance that is well: time for its probes, which are customers'
	// requests, to come by.
	toClose = 2 * time.Second
	// idle is how many attempts of one instance must have gone to a callee's
	// other instances before it is strange that none went to this one. Taking
	// turns, one of two is passed over so often by chance once in a million.
	idle = 20
)

// A pair is one caller instance and one callee instance: each has a breaker of
// its own.
type pair struct{ edge, caller, callee string }

// opens: a breaker opens when it should.
var opens = experimentCheck{
	Check: Check{"breaker-opens", "an instance that fails is left alone for as long as its breaker is to stay open"},
	needs: "traces",
	judge: func(v *view) []chaos.Finding {
		attempts := map[pair][]collector.Span{}
		v.eachAttempt(func(s collector.Span) {
			if e, known := v.m.edges[[2]string{s.Service, s.Peer}]; known && e.Policy.Breaker != nil && s.PeerInstance != "" {
				p := pair{e.Name(), s.Instance, s.PeerInstance}
				attempts[p] = append(attempts[p], s)
			}
		})
		found := offences{}
		for p, all := range attempts {
			e := v.m.edgeNamed(p.edge)
			for _, s := range past(all, e.Policy, v.m.lives(p.caller)) {
				if s.Start.Before(v.m.moment(v.fault.From)) {
					continue
				}
				found.add(p.edge, s, fmt.Sprintf("%s to %s", p.caller, p.callee))
			}
		}
		fs := found.findings("breaker", stray+1, func(edge string, n int, x offence) string {
			b := v.m.edgeNamed(edge).Policy.Breaker
			return fmt.Sprintf("%d attempts over %s, such as from %s, went to an instance that had just failed %g %% and more of at least %d; its breaker was to stay open for %s",
				n, edge, x.note, 100*b.Ratio, b.Requests, b.Open.D())
		})
		return v.unlessLate("fault", fs)
	},
}

// past returns the attempts of a pair that set out while its breaker must have
// been open. Only what is certain counts: failures that began and ended in a
// little less than the breaker's window, of timeouts those that took the edge's
// whole time, and all other ends of the whole window against them; and all anew
// after each stretch in which it may have been open and each restart of the caller.
// A breaker may have opened for failures that nobody can be sure of, and closed
// again before those that were under way had all ended: when nobody had set out
// for about as long as it stays open, and no later than so long after the last
// who did.
func past(all []collector.Span, p topology.Policy, lives []time.Time) []collector.Span {
	b := p.Breaker
	window, open := b.Window.D(), b.Open.D()
	if window <= 0 || open <= 4*aMoment {
		return nil // too short to be told from a stall
	}
	slices.SortFunc(all, byStart)
	ended := slices.Clone(all)
	slices.SortFunc(ended, func(a, b collector.Span) int { return cmp.Or(a.End.Compare(b.End), byStart(a, b)) })
	var out []collector.Span
	var since time.Time // from when on outcomes count
	from, set := 0, 0   // set out by the end of s
	for i, s := range ended {
		for ; set < len(all) && !all[set].Start.After(s.End); set++ {
			if set > 0 && all[set].Start.Sub(all[set-1].Start) >= open*8/10 && all[set].Start.After(since) {
				since = all[set].Start
			}
		}
		if s.Start.Before(since) || !blames(s) {
			continue // it is a failure that opens a breaker
		}
		for from < i && ended[from].End.Before(s.End.Add(-window)) {
			from++
		}
		n, failed := 0, 0
		for _, o := range ended[from : i+1] {
			switch {
			case o.Start.Before(since) || o.Code == "CANCELLED":
			case blames(o) && !o.Start.Before(s.End.Add(-window*8/10)) && (o.Code != "DEADLINE_EXCEEDED" || o.Duration() >= p.Timeout.D()*9/10):
				n, failed = n+1, failed+1
			default:
				n++
			}
		}
		if failed < max(b.Requests, 1) || float64(failed) < b.Ratio*float64(n) {
			continue
		}
		begin, end := s.End.Add(aMoment), all[set-1].Start.Add(open-aMoment)
		if slices.ContainsFunc(lives, func(t time.Time) bool { return !t.Before(s.End.Add(-window)) && t.Before(end) }) {
			continue // another life of the caller: its breakers know nothing
		}
		at, _ := slices.BinarySearchFunc(all, begin, func(s collector.Span, t time.Time) int { return s.Start.Compare(t) })
		for ; at < len(all) && all[at].Start.Before(end); at++ {
			out = append(out, all[at])
		}
		since = end
	}
	return out
}

// blames reports whether an attempt's end speaks against the instance.
func blames(s collector.Span) bool {
	switch s.Code {
	case "UNAVAILABLE", "DEADLINE_EXCEEDED", "INTERNAL", "UNKNOWN", "DATA_LOSS", "UNIMPLEMENTED":
		return true
	}
	return false
}

// lives are the moments at which an instance came or went.
func (m *meter) lives(instance string) []time.Time {
	var at []time.Time
	for _, e := range m.rec.Events {
		if e.Instance == instance {
			at = append(at, e.Time)
		}
	}
	return at
}

// closes: a breaker closes again when all is well.
var closes = experimentCheck{
	Check: Check{"breaker-closes", "once an instance is well again, its breaker half-opens and closes"},
	needs: "traces",
	judge: func(v *view) []chaos.Finding {
		if v.lifted < 0 || v.m.rec.Spans == nil {
			return nil
		}
		from, to := v.m.moment(v.after.From), v.m.moment(v.after.To)
		seen := map[pair]*aftermath{}  // by pair
		whole := map[pair]*aftermath{} // by caller
		v.m.rec.Spans.Between(from, to, func(s collector.Span) bool {
			e, known := v.m.edges[[2]string{s.Service, s.Peer}]
			if !known || s.Attempt == 0 || e.Policy.Breaker == nil || s.Start.Before(from) || !s.Start.Before(to) {
				return true
			}
			late := !s.Start.Before(from.Add(toWell(e)))
			noted(whole, pair{edge: e.Name(), caller: s.Instance}).add(s, late)
			if !kept(s) {
				noted(seen, pair{e.Name(), s.Instance, s.PeerInstance}).add(s, late)
			}
			return true
		})
		for _, a := range whole {
			slices.SortFunc(a.sent, byStart) // whatever order they were read in
		}
		found := offences{}
		up := func(edge string) bool { return v.m.allUp(from.Add(toWell(v.m.edgeNamed(edge))), to) }
		for c, a := range whole {
			if len(a.kept) > stray && !a.failed && up(c.edge) {
				for _, s := range a.kept {
					found.add(c.edge, s, fmt.Sprintf("%s still kept %d calls at home", c.caller, len(a.kept)))
				}
			}
		}
		for p := range v.before() {
			a, c := noted(seen, p), noted(whole, pair{edge: p.edge, caller: p.caller})
			if len(a.sent) == 0 && !a.failed && len(c.sent) >= idle && up(p.edge) {
				found.add(p.edge, c.sent[0], fmt.Sprintf("%s asked %s not once in %d calls", p.caller, p.callee, len(c.sent)))
			}
		}
		fs := found.findings("breaker", 1, func(edge string, _ int, x offence) string {
			return fmt.Sprintf("%s more than %s after all was well: the breaker of %s does not close", x.note, toWell(v.m.edgeNamed(edge)), edge)
		})
		return v.unlessLate("after", fs)
	},
}

// An aftermath is what went over an edge once all was well.
type aftermath struct {
	failed     bool             // one did: a breaker may have opened for it
	sent, kept []collector.Span // when breakers should be closed
}

func noted(of map[pair]*aftermath, p pair) *aftermath {
	if of[p] == nil {
		of[p] = &aftermath{}
	}
	return of[p]
}

func (a *aftermath) add(s collector.Span, late bool) {
	switch {
	case !kept(s) && (s.Error || s.Code == "CANCELLED"):
		a.failed = true
	case late && kept(s):
		a.kept = append(a.kept, s)
	case late:
		a.sent = append(a.sent, s)
	}
}

// unlessLate takes findings back to a doubt where the generator fell behind in
// a phase: on a machine that has no time for anything, breakers and timers are
// late too.
func (v *view) unlessLate(phase string, fs []chaos.Finding) []chaos.Finding {
	if len(fs) == 0 || v.lateIn(phase) == "" {
		return fs
	}
	for i := range fs {
		fs[i].Verdict = chaos.Inconclusive
		fs[i].Text += "; the machine's own lateness may be why"
	}
	return fs
}

// toWell is how long after a fault the breakers of an edge must be closed.
func toWell(e topology.Edge) time.Duration { return e.Policy.Breaker.Open.D() + toClose }

// before returns the pairs between which calls went in the baseline.
func (v *view) before() map[pair]bool {
	pairs := map[pair]bool{}
	v.m.rec.Spans.Between(v.m.moment(v.baseline.From), v.m.moment(v.baseline.To), func(s collector.Span) bool {
		if e, known := v.m.edges[[2]string{s.Service, s.Peer}]; known && s.Attempt > 0 && e.Policy.Breaker != nil && s.PeerInstance != "" {
			pairs[pair{e.Name(), s.Instance, s.PeerInstance}] = true
		}
		return true
	})
	return pairs
}

// allUp reports whether every instance was up from some time before a moment
// on, until another: else somebody may have failed for a reason of today.
func (m *meter) allUp(from, until time.Time) bool {
	last := map[string]deploy.Event{}
	for _, e := range m.rec.Events {
		if !e.Time.After(until) {
			last[e.Instance] = e
		}
	}
	for _, e := range last {
		switch e.Kind {
		case "ready", "resumed", "found", "released":
			if e.Time.After(from.Add(-toClose)) {
				return false
			}
		default:
			return false
		}
	}
	return true
}
