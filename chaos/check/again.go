package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/topology"
)

// A chain is one thing that a caller asked for again and again: calls to one
// method about one thing, each begun after the one before it had ended.
type chain []*trial

// chains returns those of a work's calls. What a call is about is its key and
// its order, where the method has such fields.
func (w *work) chains() []chain {
	type subject struct{ peer, method, key, order string }
	by := map[subject]chain{}
	var order []subject
	for _, t := range w.trials {
		s := t.first()
		about := subject{s.Peer, s.Name, s.Attrs[callKey], s.Attrs[callOrder]}
		if n := len(by[about]); n == 0 {
			order = append(order, about)
		} else if before := by[about][n-1]; t.vague || before.vague || before.last().End.After(s.Start) {
			continue // side by side: neither is the other's repetition
		}
		by[about] = append(by[about], t)
	}
	var all []chain
	for _, about := range order {
		all = append(all, by[about])
	}
	return all
}

// insistence: one request does not ask more often than the edge's policy says,
// whoever counts.
var insistence = experimentCheck{
	Check: Check{"insistence", "one request does not ask for the same thing more often than its edge allows, also where each time is a call of its own"},
	on:    onFacts,
	needs: "traces",
	judge: func(v *view) []chaos.Finding {
		found := offences{}
		for _, w := range v.troubled() {
			if !w.request() {
				continue // a loop of its own has its own patience; see backoff
			}
			for _, c := range w.chains() {
				failed, calls := 0, 0
				for _, t := range c {
					failed += len(t.tries)
					if calls++; calls > 1 && failed > most(t.edge.Policy) {
						found.add(t.edge.Name(), t.last(), fmt.Sprintf("%d attempts of %s", failed, short(t.last().Name)))
					}
					if !t.failed() {
						failed, calls = 0, 0
					}
				}
			}
		}
		return found.findings("retry", 1, func(edge string, n int, x offence) string {
			return fmt.Sprintf("%s was asked again in %d further calls below one request although all before had failed; one has %s, the edge allows %d",
				edge, n, x.note, most(v.m.edgeNamed(edge).Policy))
		})
	},
}

// finality: an answer that is final is taken for one.
var finality = experimentCheck{
	Check: Check{"finality", "what was answered for good (done, refused, or too busy) is not asked again by a retry"},
	on:    onFacts,
	needs: "traces",
	judge: func(v *view) []chaos.Finding {
		found := offences{}
		for _, w := range v.troubled() {
			for _, t := range w.trials {
				if t.vague || t.edge.Policy.Hedge > 0 {
					continue
				}
				for i, s := range t.tries[1:] {
					if before := t.tries[i]; !kept(before) && final(before.Code) {
						found.add(t.edge.Name(), s, before.Code)
					}
				}
			}
			if !w.request() {
				continue
			}
			for _, c := range w.chains() {
				for i, t := range c[1:] {
					before := c[i].last()
					if !kept(before) && final(before.Code) && before.Code != "OK" && next(w, c[i], t) {
						found.add(t.edge.Name(), t.first(), before.Code)
					}
				}
			}
		}
		return found.findings("retry", 1, func(edge string, n int, x offence) string {
			return fmt.Sprintf("%s was asked again %d times after an answer that is final, such as %s", edge, n, x.note)
		})
	},
}

// next reports whether a work called nobody between two of its calls: then the
// second was made because of how the first had ended.
func next(w *work, a, b *trial) bool {
	return !slices.ContainsFunc(w.trials, func(t *trial) bool {
		return t != a && t != b && t.first().Start.Before(b.first().Start) && t.last().End.After(a.last().End)
	})
}

// persistence: what may pass is tried again where the edge says so.
var persistence = experimentCheck{
	Check: Check{"persistence", "a call that failed for a moment is tried again, where its edge allows that and there is time"},
	on:    onFacts,
	needs: "traces",
	judge: func(v *view) []chaos.Finding {
		found, could := offences{}, map[string]int{}
		for _, w := range v.troubled() {
			for _, t := range w.trials {
				if !v.m.repeats(w, t) {
					continue
				}
				could[t.edge.Name()]++
				if len(t.tries) == 1 {
					found.add(t.edge.Name(), t.last(), t.last().Code)
				}
			}
		}
		for edge, all := range found {
			if 2*len(all) <= could[edge] {
				delete(found, edge) // a race now and then, and no rule
			}
		}
		return found.findings("retry", fewLost, func(edge string, n int, x offence) string {
			return fmt.Sprintf("%d of %d calls over %s ended with %s at the first attempt and were not tried again; the edge allows %d attempts",
				n, could[edge], edge, x.note, most(v.m.edgeNamed(edge).Policy))
		})
	},
}

// fewLost is how many calls must have been given up too early before it is
// said: one or two may have lost their caller at that moment.
const fewLost = 5

// repeats reports whether the first attempt of a call failed so that another
// should follow: for a moment, with time left, under a caller that still waits,
// and within the budget.
func (m *meter) repeats(w *work, t *trial) bool {
	r, s := t.edge.Policy.Retry, t.first()
	if r == nil || r.Attempts < 2 || t.edge.Policy.Hedge > 0 || t.vague || s.Attempt != 1 || !s.Error || kept(s) || !transient(s.Code) {
		return false
	}
	limit, known := allowed(w.span, requestDeadline)
	if !w.request() || !known || limit < 0 || w.span.Attrs["call.retry_budget.exceeded"] == s.Peer {
		return false
	}
	// A work that ended by the cause's own end could not go on.
	if w.span.Code == "CANCELLED" || w.span.Code == "499" {
		return false
	}
	return w.span.Start.Add(limit).Sub(s.End) > r.Max.D()+aMoment
}

// edgeNamed returns the edge of a name; the zero edge if there is none.
func (m *meter) edgeNamed(name string) topology.Edge {
	from, to, _ := strings.Cut(name, "->")
	return m.edges[[2]string{from, to}]
}

// short is a method's name without its package.
func short(method string) string { return method[strings.LastIndexByte(method, '.')+1:] }
