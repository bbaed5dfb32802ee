package check

import (
	"fmt"
	"strings"

	"github.com/anishathalye/porcupine"

	"github.com/bedlamlab/bedlam/observability/collector"
)

// chargeHistory: all that was answered under one idempotency key agrees.
var chargeHistory = invariant{
	Check: Check{"charge-history", "all answers under one key of a charge agree: what was captured stays so until it is refunded, what was refused or refunded is never captured"},
	views: []string{"payment.audit_charges"},
	judge: func(b *books) (int, []violation) {
		stories := map[string]*story{}
		for _, s := range b.asked.spans().attempts {
			key := s.Attrs[callKey]
			if s.Service != "checkout" || s.Peer != "payment" || key == "" {
				continue
			}
			what := method(s)
			if what != "Capture" && what != "Refund" {
				continue
			}
			of := stories[key]
			if of == nil {
				of = &story{violation: violation{site: "payment", order: s.Attrs[callOrder], what: key,
					text: fmt.Sprintf("the answers under key %s contradict each other: no order of its captures and refunds explains them", key)}}
				stories[key] = of
			}
			op := porcupine.Operation{ClientId: len(of.calls), Input: what, Output: s.Code, Call: s.Start.UnixNano(), Return: s.End.UnixNano()}
			if !definite(s.Code) {
				op.Return = forEver
			}
			of.calls = append(of.calls, op)
		}
		n := b.rows("payment.audit_charges", func(row) {})
		_, vs := b.unexplained("charge-history", func(string) porcupine.Model { return chargeModel }, stories)
		return n, vs
	},
}

// method is the last part of a call's name.
func method(s collector.Span) string { return s.Name[strings.LastIndexAny(s.Name, "/.")+1:] }

// definite reports whether a charge's answer says what became of it.
func definite(code string) bool { return code == "OK" || code == "FAILED_PRECONDITION" }

// The states of a charge in the model.
const (
	chargeNone     = "none"
	chargeCaptured = "captured"
	chargeRefused  = "refused" // declined, void or refunded: it will not be captured
)

var chargeModel = (&porcupine.NondeterministicModel{
	Init: func() []any { return []any{chargeNone} },
	Step: func(state, input, output any) []any {
		was := state.(string)
		capture := input.(string) == "Capture"
		switch code := output.(string); {
		case !definite(code) && capture && was == chargeNone: // the bank may have said yes, no, or nothing
			return []any{chargeNone, chargeCaptured, chargeRefused}
		case !definite(code) && !capture: // it may have been given back
			return []any{was, chargeRefused}
		case !definite(code):
			return []any{was}
		case capture && code == "OK" && was != chargeRefused:
			return []any{chargeCaptured}
		case capture && code != "OK" && was != chargeCaptured:
			return []any{chargeRefused}
		case !capture && code == "OK":
			return []any{chargeRefused}
		case !capture: // a refund that is refused changes nothing
			return []any{was}
		}
		return nil
	},
}).ToModel()
