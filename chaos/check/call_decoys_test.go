package check_test

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/topology"
)

// What looks like a mistake in how a call is made and is none.
func TestCallDecoys(t *testing.T) {
	for name, spoil := range map[string]func(w *world){
		"a retry within its policy, with drawn pauses": func(w *world) {
			w.retried("gateway", "cart", "Get", 1, evenly(60, 0.02)...)
			w.retried("gateway", "catalog", "Get", 2, evenly(60, 0.04)...)
		},
		"pauses that a busy machine makes longer": func(w *world) {
			pauses := evenly(60, 0.02)
			for i := range pauses {
				pauses[i] += 0.03 * float64(i%5)
			}
			w.retried("gateway", "cart", "Get", 1, pauses...)
		},
		"a few pauses that are short by chance": func(w *world) {
			w.retried("gateway", "cart", "Get", 1, times(10, 0.0001)...)
		},
		"a saga that asks again, with pauses of its own": func(w *world) {
			of := w.under(collector.Span{Trace: w.id()}, "checkout", collector.Internal, faulty, 2, "")
			for i := range 8 {
				w.call(of, "payment", "Capture", faulty+0.2*float64(i), 0.1, 1, "UNAVAILABLE", "call.key", "k", "call.order", "o")
			}
		},
		"many things asked for one after the other, some in vain": func(w *world) {
			of := w.work("gateway", faulty, 0.9, "503")
			for i := range 8 {
				w.call(of, "cart", "Add", faulty+0.1*float64(i), 0.05, 3, "UNAVAILABLE", "call.key", strconv.Itoa(i))
			}
		},
		"something asked again after it was made possible": func(w *world) {
			of := w.work("checkout", faulty, 0.5, "OK")
			w.call(of, "orders", "Cancel", faulty, 0.01, 1, "NOT_FOUND", "call.order", "o")
			w.call(of, "orders", "Create", faulty+0.02, 0.01, 1, "OK", "call.order", "o")
			w.call(of, "orders", "Cancel", faulty+0.04, 0.01, 1, "OK", "call.order", "o")
		},
		"no retry for want of time, of budget, of a breaker, or of a caller": func(w *world) {
			for i := range 6 {
				at := faulty + float64(i)/10
				from := func(code string) collector.Span { // each breaker sees less than would open it
					of := w.work("gateway", at, 0.95, code)
					of.Instance = fmt.Sprint("gateway-", i)
					return of
				}
				late := from("504")
				w.call(late, "cart", "Get", at+0.5, 0.4, 1, "DEADLINE_EXCEEDED")
				poor := from("503")
				w.spans[len(w.spans)-1].Attrs["call.retry_budget.exceeded"] = "cart"
				w.call(poor, "cart", "Get", at, 0.01, 1, "UNAVAILABLE")
				open := from("503")
				w.call(open, "cart", "Get", at, 0.01, 1, "UNAVAILABLE")
				w.call(open, "cart", "Get", at+0.02, 0.0001, 2, "UNAVAILABLE", "call.breaker", "open")
				w.spans[len(w.spans)-1].PeerInstance = ""
				w.call(from("CANCELLED"), "cart", "Get", at, 0.01, 1, "UNAVAILABLE")
			}
		},
		"a single call that was not tried again": func(w *world) {
			w.call(w.work("gateway", faulty, 0.05, "503"), "cart", "Get", faulty, 0.01, 1, "UNAVAILABLE")
		},
		"other things under other keys": func(w *world) {
			of := w.work("payment", faulty, 0.5, "OK")
			w.call(of, "bank", "Void", faulty, 0.01, 1, "OK", "call.key", "a")
			w.call(of, "bank", "Refund", faulty+0.1, 0.01, 1, "OK", "call.key", "b")
		},
		"a second thing under another key, after the first was done": func(w *world) {
			for i, key := range []string{"a", "b"} {
				w.call(w.work("checkout", faulty, 0.4, "OK"), "payment", "Capture", faulty+float64(i)/2, 0.3, 1, "OK", "call.key", key, "call.order", "o-1")
			}
		},
		"work that goes on when its request has ended, as it should": func(w *world) {
			place := w.work("checkout", faulty, 0.2, "OK")
			saga := w.under(place, "checkout", collector.Internal, faulty, 2, "")
			w.call(saga, "payment", "Capture", faulty+0.8, 0.5, 1, "OK", "call.deadline_ms", "999")
		},
		"a clock that jumped": func(w *world) {
			of := w.work("payment", faulty, 0.5, "OK")
			w.call(of, "bank", "Charge", faulty-3600, 0.01, 1, "OK", "call.deadline_ms", "799")
			w.call(of, "bank", "Charge", faulty+3600, 0.01, 1, "OK", "call.deadline_ms", "799")
		},
		"a failure that another attempt made good, after the fault": func(w *world) {
			at := firstBegun + liftingAfter - 0.1
			of := w.work("gateway", at, 0.9, "201")
			w.call(of, "checkout", "Place", at, 0.4, 1, "UNAVAILABLE")
			w.call(of, "checkout", "Place", at+0.42, 0.3, 2, "OK")
		},
		"a failure that another call made good": func(w *world) {
			of := w.work("gateway", faulty, 0.9, "200")
			w.call(of, "catalog", "List", faulty, 0.1, 3, "UNAVAILABLE")
			w.call(of, "catalog", "List", faulty+0.2, 0.1, 1, "OK")
		},
		"a lesser answer that says so": func(w *world) {
			of := w.work("gateway", faulty, 0.5, "200")
			w.spans[len(w.spans)-1].Attrs["call.fallback"] = "true"
			w.call(of, "recommend", "For", faulty, 0.01, 1, "UNAVAILABLE")
			w.call(of, "catalog", "List", faulty+0.02, 0.01, 1, "OK")
		},
		"a failure of what nobody needs and nothing stands in for": func(w *world) {
			w.optional("checkout->cart", "")
			w.call(w.work("checkout", faulty, 0.5, "OK"), "cart", "Clear", faulty, 0.01, 2, "UNAVAILABLE")
		},
		"a page that fails for want of what it needs, and of what is optional": func(w *world) {
			of := w.work("gateway", faulty, 0.5, "503")
			w.call(of, "recommend", "For", faulty, 0.01, 1, "UNAVAILABLE")
			w.call(of, "catalog", "List", faulty, 0.01, 3, "UNAVAILABLE")
		},
		"a page that was too late, and had nothing to recommend": func(w *world) {
			w.call(w.work("gateway", faulty, 1, "504"), "recommend", "For", faulty, 0.01, 1, "UNAVAILABLE")
			late := w.work("gateway", faulty, 1, "503")
			w.call(late, "recommend", "For", faulty, 0.01, 1, "UNAVAILABLE")
			w.under(late, "gateway", collector.Client, faulty, 0.9, "")
			w.spans[len(w.spans)-1].Error = true // a statement, say
		},
		"an optional call beside another that had not failed yet": func(w *world) {
			of := w.work("gateway", faulty, 0.5, "200")
			w.spans[len(w.spans)-1].Attrs["call.fallback"] = "true"
			w.call(of, "recommend", "For", faulty, 0.1, 1, "UNAVAILABLE")
			w.call(of, "recommend", "For", faulty+0.05, 0.1, 1, "OK")
		},
		"a breaker that opens, and probes": func(w *world) {
			w.failing("gateway", "orders", faulty, faulty+0.5)
			w.failing("gateway", "orders", faulty+1.7, faulty+1.8)
		},
		"an instance of which less than half fails": func(w *world) {
			w.failing("gateway", "orders", faulty, faulty+2)
			for s := faulty - 2.; s < faulty+2; s += 0.02 {
				w.span(w.id(), "gateway", "orders", s, 0.001, 1, "OK")
			}
		},
		"timeouts that came early say nothing of an instance": func(w *world) {
			for s := float64(faulty); s < faulty+2; s += 0.05 {
				w.span(w.id(), "gateway", "orders", s, 0.05, 1, "DEADLINE_EXCEEDED")
			}
		},
		"a caller that was started again has new breakers": func(w *world) {
			w.failing("gateway", "orders", faulty, faulty+0.5)
			w.failing("gateway", "orders", faulty+0.6, faulty+1)
			w.events = append(w.events, deploy.Event{Time: moment(faulty + 0.55), Kind: "ready", Instance: "gateway-1"})
		},
		"a breaker that is open while something is still down": func(w *world) {
			for s := firstBegun + liftingAfter; s < secondBegun; s += 0.1 {
				sp := w.span(w.id(), "payment", "bank", s, 0.0001, 1, "UNAVAILABLE")
				sp.PeerInstance, sp.Attrs = "", map[string]string{"call.breaker": "open"}
			}
			w.events = append(w.events, deploy.Event{Time: moment(firstBegun + 3), Kind: "exited", Instance: "bank-1"})
		},
		"checkouts that fail because they need what was harmed": func(w *world) {
			w.each(firstBegun+injectedAfter, firstBegun+liftingAfter, unheard)
		},
		"a checkout or two that fail by chance": func(w *world) {
			w.each(secondBegun+2, secondBegun+2.5, unheard)
		},
		"as many calls at once as a bulkhead lets through": func(w *world) {
			for i := range 40 {
				w.span(w.id(), "orders", "shipping", faulty+float64(i)/20, 0.395, 1, "OK")
			}
		},
		"a slow call that is answered although its hedge is refused, or called off": func(w *world) {
			for i, code := range []string{"UNAVAILABLE", "CANCELLED"} {
				at := faulty + float64(i)
				of := w.work("gateway", at, 1.5, "201")
				w.call(of, "checkout", "Place", at, 0.9, 1, "OK")
				w.call(of, "checkout", "Place", at+0.6, 0.01, 2, code)
			}
		},
		"a hedge that is answered in place of its call": func(w *world) {
			of := w.work("gateway", faulty, 1.5, "201")
			w.call(of, "checkout", "Place", faulty, 0.9, 1, "UNAVAILABLE")
			w.call(of, "checkout", "Place", faulty+0.6, 0.1, 2, "OK")
		},
		"a call and its hedge that fail once their request has been answered": func(w *world) {
			of := w.work("gateway", faulty, 0.5, "201")
			w.call(of, "checkout", "Place", faulty, 0.9, 1, "UNAVAILABLE")
			w.call(of, "checkout", "Place", faulty+0.4, 0.3, 2, "UNAVAILABLE")
		},
		"a hedge beside its call": func(w *world) {
			for i := range w.plan.Topology.Edges {
				if e := &w.plan.Topology.Edges[i]; e.Name() == "gateway->cart" {
					e.Policy.Hedge = topology.Duration(50e6)
				}
			}
			for i := range 30 {
				at := faulty + float64(i)/20
				of := w.work("gateway", at, 0.5, "OK")
				w.call(of, "cart", "Get", at, 0.2, 1, "OK")
				w.call(of, "cart", "Get", at+0.05, 0.15, 2, "CANCELLED")
			}
		},
		"attributes that nobody sets": func(w *world) {
			w.call(w.work("payment", faulty, 0.5, "OK"), "bank", "Charge", faulty, 0.01, 1, "OK")
		},
		"spans of a caller that was killed are missing": func(w *world) {
			lost := collector.Span{Trace: w.id(), Service: "gateway", Instance: "gateway-1", ID: [8]byte{9}}
			for i := range 6 {
				w.call(lost, "cart", "Add", faulty+float64(i), 0.01, 2, "UNAVAILABLE", "call.key", fmt.Sprint("k", i))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := golden()
			spoil(w)
			if res := judge(w); res.Verdict != chaos.Pass {
				t.Errorf("got %s: %q%s", res.Verdict, res.Reasons, list(res))
			}
		})
	}
}
