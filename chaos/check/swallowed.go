package check

import (
	"fmt"

	"github.com/bedlamlab/bedlam/chaos"
)

// swallowed: a failure below an answer was made good, or the answer says so.
var swallowed = experimentCheck{
	Check: Check{"swallowed", "no request is answered as if all were well although a call that it needed had failed and nothing stood in for it"},
	on:    onFacts,
	needs: "traces",
	judge: func(v *view) []chaos.Finding {
		found := offences{}
		for _, w := range v.troubled() {
			if !w.answeredOK() || w.span.Attrs["call.fallback"] == "true" {
				continue
			}
			for _, t := range w.trials {
				if end := t.decisive(); undeclared(t) && end.Error && !w.madeGood(t) && !end.End.After(w.span.End) {
					found.add(t.edge.Name(), end, end.Code)
				}
			}
		}
		return found.findings("error handling", 1, func(edge string, n int, x offence) string {
			return fmt.Sprintf("%d calls over %s failed, such as one with %s, and the requests that had made them were answered as if they had not, without a declared fallback", n, edge, x.note)
		})
	},
}

// undeclared reports whether a failure of the call must show: it is needed, or
// it is optional and something declared stands in for it.
func undeclared(t *trial) bool { return !t.edge.Optional || t.edge.Policy.Fallback != "" }

// madeGood reports whether the work asked for the same again, or beside it,
// and got an answer.
func (w *work) madeGood(t *trial) bool {
	for _, o := range w.trials {
		if o != t && o.first().Peer == t.first().Peer && o.first().Name == t.first().Name && !o.failed() {
			return true
		}
	}
	return false
}
