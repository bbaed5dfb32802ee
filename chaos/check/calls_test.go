package check_test

import (
	"fmt"
	"testing"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/loadgen"
	"github.com/bedlamlab/bedlam/observability/collector"
)

// work makes the span of a request that a service answers, in a trace of its own.
func (w *world) work(service string, s, took float64, code string) collector.Span {
	return w.under(collector.Span{Trace: w.id()}, service, collector.Server, s, took, code)
}

// under makes a span of a service below another.
func (w *world) under(parent collector.Span, service string, kind collector.Kind, s, took float64, code string) collector.Span {
	id := w.id()
	sp := collector.Span{Trace: parent.Trace, Parent: parent.ID, Service: service, Instance: service + "-1", Name: "request", Kind: kind,
		Start: moment(s), End: moment(s + took), Code: code, Error: broken(code), Attrs: map[string]string{"request.deadline_ms": "1000"}}
	copy(sp.ID[:], id[8:])
	w.spans = append(w.spans, sp)
	return sp
}

// broken reports whether a code says that something went wrong.
func broken(code string) bool {
	switch code {
	case "", "OK", "CANCELLED", "NOT_FOUND", "FAILED_PRECONDITION", "200", "201", "409":
		return false
	}
	return true
}

// call makes an attempt below a span; attributes come as key=value.
func (w *world) call(parent collector.Span, to, method string, s, took float64, attempt int, code string, attrs ...string) collector.Span {
	sp := w.span(parent.Trace, parent.Service, to, s, took, attempt, code)
	sp.Parent, sp.Instance, sp.Name, sp.Error, sp.Attrs = parent.ID, parent.Instance, "shop."+method, broken(code), map[string]string{}
	for i := 0; i < len(attrs); i += 2 {
		sp.Attrs[attrs[i]] = attrs[i+1]
	}
	return *sp
}

// In the golden run's first fault phase.
const faulty = firstBegun + 2

// retried makes calls of two attempts with pauses in between.
func (w *world) retried(from, to, method string, attempt int, pauses ...float64) {
	for i, p := range pauses {
		s := faulty + float64(i)/20
		of := w.work(from, s, 0.5, "OK")
		of.Instance = fmt.Sprintf("%s-%d", from, i%10) // each breaker sees too little to open
		w.call(of, to, method, s, 0.01, attempt, "UNAVAILABLE")
		w.call(of, to, method, s+0.01+p, 0.01, attempt+1, "OK")
	}
}

// evenly are n figures drawn evenly from 0 to most, in no telling order.
func evenly(n int, most float64) []float64 {
	var all []float64
	for i := range n {
		all = append(all, most*float64(i*7%n)/float64(n-1))
	}
	return all
}

func times(n int, x float64) []float64 {
	all := make([]float64, n)
	for i := range all {
		all[i] = x
	}
	return all
}

// failing makes attempts from one instance to another that fail, for a while.
func (w *world) failing(from, to string, s, until float64) {
	for ; s < until; s += 0.05 {
		w.call(collector.Span{Trace: w.id(), Service: from, Instance: from + "-1"}, to, "Get", s, 0.01, 1, "UNAVAILABLE")
	}
}

func (w *world) optional(edge, fallback string) {
	for i := range w.plan.Topology.Edges {
		if e := &w.plan.Topology.Edges[i]; e.Name() == edge {
			e.Optional, e.Policy.Fallback = true, fallback
		}
	}
}

// unheard makes checkouts of which the customer never learns how they ended.
func unheard(r *loadgen.Request) {
	if r.Class == loadgen.ClassCheckout {
		r.Outcome, r.Status, r.Reason, r.State, r.Order = loadgen.Unknown, 0, "timeout", "", ""
	}
}

// badCalls are those that the traces show.
var badCalls = []bad{
	{"a loop around the retries", func(t *testing.T, w *world) {
		of := w.work("gateway", faulty, 0.5, "504")
		for i := range 4 {
			w.call(of, "catalog", "Get", faulty+float64(i)*0.05, 0.01, 1, "UNAVAILABLE")
		}
	}, "insistence", "gateway->catalog", bankCut, chaos.Fail},
	{"retries of a caller who was told that there is too much to do", func(t *testing.T, w *world) {
		of := w.work("gateway", faulty, 0.5, "OK")
		w.call(of, "catalog", "Get", faulty, 0.01, 1, "RESOURCE_EXHAUSTED")
		w.call(of, "catalog", "Get", faulty+0.02, 0.01, 2, "OK")
	}, "finality", "gateway->catalog", bankCut, chaos.Fail},
	{"a refusal that is asked again by a call of its own", func(t *testing.T, w *world) {
		of := w.work("gateway", faulty, 0.5, "409")
		w.call(of, "cart", "Add", faulty, 0.01, 1, "FAILED_PRECONDITION", "call.key", "k1")
		w.call(of, "cart", "Add", faulty+0.02, 0.01, 1, "FAILED_PRECONDITION", "call.key", "k1")
	}, "finality", "gateway->cart", bankCut, chaos.Fail},
	{"a reset of the connection that nobody tries again", func(t *testing.T, w *world) {
		for i := range 6 {
			of := w.work("gateway", faulty+float64(i)/10, 0.02, "503")
			w.call(of, "cart", "Get", faulty+float64(i)/10, 0.01, 1, "UNAVAILABLE")
		}
	}, "persistence", "gateway->cart", bankCut, chaos.Fail},
	{"retries without a pause", func(t *testing.T, w *world) {
		w.retried("gateway", "cart", "Get", 1, times(25, 0.0002)...)
	}, "backoff", "gateway->cart", bankCut, chaos.Fail},
	{"retries in step", func(t *testing.T, w *world) {
		w.retried("gateway", "cart", "Get", 1, times(25, 0.0202)...)
	}, "backoff", "gateway->cart", bankCut, chaos.Fail},
	{"pauses that do not grow", func(t *testing.T, w *world) {
		w.retried("gateway", "cart", "Get", 2, evenly(40, 0.02)...)
	}, "backoff", "gateway->cart", bankCut, chaos.Fail},
	{"a loop that never rests", func(t *testing.T, w *world) {
		of := w.under(collector.Span{Trace: w.id()}, "orders", collector.Producer, faulty, 1, "")
		for i := range 6 {
			w.call(of, "shipping", "Deliver", faulty+float64(i)*0.011, 0.01, 1, "UNAVAILABLE", "call.order", "o1")
		}
	}, "backoff", "orders->shipping", bankCut, chaos.Fail},
	{"a charge without a key", func(t *testing.T, w *world) {
		w.call(w.work("payment", faulty, 0.5, "OK"), "bank", "Charge", faulty, 0.01, 1, "OK", "call.key", "")
	}, "keys", "payment->bank", bankCut, chaos.Fail},
	{"a charge of one order that is asked again under another key", func(t *testing.T, w *world) {
		for i, key := range []string{"a", "b"} {
			at := faulty + float64(i)/2
			w.call(w.work("checkout", at, 0.4, "OK"), "payment", "Capture", at, 0.3, 1, []string{"DEADLINE_EXCEEDED", "OK"}[i], "call.key", key, "call.order", "o-1")
		}
	}, "keys", "checkout->payment", bankCut, chaos.Fail},
	{"a charge for one request that is asked again under another key", func(t *testing.T, w *world) {
		saga := w.work("checkout", faulty, 2, "OK")
		for i, key := range []string{"a", "b"} {
			at := faulty + float64(i)/2
			c := w.call(saga, "payment", "Capture", at, 0.3, i+1, []string{"UNAVAILABLE", "OK"}[i], "call.key", "one", "call.order", "o-1")
			p := w.under(c, "payment", collector.Server, at, 0.3, c.Code)
			w.call(p, "bank", "Charge", at, 0.2, 1, c.Code, "call.key", key)
		}
	}, "keys", "payment->bank", bankCut, chaos.Fail},
	{"an attempt that may last for ever", func(t *testing.T, w *world) {
		w.call(w.work("payment", faulty, 0.5, "OK"), "bank", "Charge", faulty, 0.01, 1, "OK", "call.deadline_ms", "-1")
	}, "deadlines", "payment->bank", bankCut, chaos.Fail},
	{"an attempt with more time than its edge's timeout", func(t *testing.T, w *world) {
		w.call(w.work("payment", faulty, 0.5, "OK"), "bank", "Charge", faulty, 0.01, 1, "OK", "call.deadline_ms", "990")
	}, "deadlines", "payment->bank", bankCut, chaos.Fail},
	{"an attempt that outlives its request", func(t *testing.T, w *world) {
		w.call(w.work("payment", faulty, 1.5, "OK"), "bank", "Charge", faulty+0.8, 0.01, 1, "OK", "call.deadline_ms", "799")
	}, "deadlines", "payment->bank", bankCut, chaos.Fail},
	{"an attempt that outlives its request, on a machine that was late itself", func(t *testing.T, w *world) {
		w.call(w.work("payment", faulty, 1.5, "OK"), "bank", "Charge", faulty+0.8, 0.01, 1, "OK", "call.deadline_ms", "799")
		w.each(firstBegun+3, firstBegun+3.5, func(r *loadgen.Request) { r.Sent, r.Done = r.Sent+seconds(0.2), r.Done+seconds(0.2) })
	}, "deadlines", "payment->bank", bankCut, chaos.Inconclusive},
	{"a failure that nobody hears of", func(t *testing.T, w *world) {
		w.call(w.work("payment", faulty, 0.5, "OK"), "bank", "Charge", faulty, 0.01, 2, "DEADLINE_EXCEEDED")
	}, "swallowed", "payment->bank", bankCut, chaos.Fail},
	{"a failure in a call and in its hedge, which nobody hears of", func(t *testing.T, w *world) {
		of := w.work("gateway", faulty, 1.5, "201")
		w.call(of, "checkout", "Place", faulty, 0.9, 1, "UNAVAILABLE")
		w.call(of, "checkout", "Place", faulty+0.6, 0.01, 2, "UNAVAILABLE")
	}, "swallowed", "gateway->checkout", bankCut, chaos.Fail},
	{"a failure that called the hedge off, which nobody hears of", func(t *testing.T, w *world) {
		of := w.work("gateway", faulty, 1.5, "201")
		w.call(of, "checkout", "Place", faulty, 0.9, 1, "INTERNAL")
		w.call(of, "checkout", "Place", faulty+0.6, 0.3, 2, "CANCELLED")
	}, "swallowed", "gateway->checkout", bankCut, chaos.Fail},
	{"a lesser answer that does not say so", func(t *testing.T, w *world) {
		w.call(w.work("gateway", faulty, 0.5, "200"), "recommend", "For", faulty, 0.01, 1, "UNAVAILABLE")
	}, "swallowed", "gateway->recommend", bankCut, chaos.Fail},
	{"a fallback that asks the same again", func(t *testing.T, w *world) {
		of := w.work("gateway", faulty, 0.5, "200")
		w.spans[len(w.spans)-1].Attrs["call.fallback"] = "true"
		w.call(of, "recommend", "For", faulty, 0.01, 1, "UNAVAILABLE")
		w.call(of, "recommend", "Popular", faulty+0.02, 0.01, 1, "UNAVAILABLE")
	}, "fallback", "gateway->recommend", bankCut, chaos.Fail},
	{"a fallback that needs the same, further down", func(t *testing.T, w *world) {
		of := w.work("gateway", faulty, 0.5, "200")
		w.spans[len(w.spans)-1].Attrs["call.fallback"] = "true"
		w.call(of, "recommend", "For", faulty, 0.01, 1, "UNAVAILABLE")
		c := w.call(of, "catalog", "Best", faulty+0.02, 0.1, 1, "OK")
		w.call(w.under(c, "catalog", collector.Server, faulty+0.02, 0.1, "OK"), "recommend", "For", faulty+0.03, 0.01, 1, "UNAVAILABLE")
	}, "fallback", "gateway->recommend", bankCut, chaos.Fail},
	{"a page that fails for want of what is optional", func(t *testing.T, w *world) {
		of := w.work("gateway", faulty, 0.5, "503")
		w.call(of, "recommend", "For", faulty, 0.01, 1, "UNAVAILABLE")
		w.call(of, "catalog", "List", faulty, 0.01, 1, "OK")
	}, "optional", "gateway->recommend", bankCut, chaos.Fail},
	{"an instance that fails and is asked all the same", func(t *testing.T, w *world) {
		w.failing("gateway", "orders", faulty, faulty+3)
	}, "breaker-opens", "gateway->orders", bankCut, chaos.Fail},
	{"a breaker that stays open for good", func(t *testing.T, w *world) {
		for s := firstBegun + liftingAfter; s < secondBegun; s += 0.1 {
			sp := w.span(w.id(), "payment", "bank", s, 0.0001, 1, "UNAVAILABLE")
			sp.PeerInstance, sp.Attrs = "", map[string]string{"call.breaker": "open"}
		}
	}, "breaker-closes", "payment->bank", bankCut, chaos.Fail},
	{"an instance that is never asked again", func(t *testing.T, w *world) {
		for s := baselineFrom; s < secondBegun; s += 0.02 {
			sp := w.span(w.id(), "checkout", "orders", s, 0.001, 1, "OK")
			if s < firstBegun && int(s*100)%4 == 0 {
				sp.PeerInstance = "orders-2"
			}
		}
	}, "breaker-closes", "checkout->orders", bankCut, chaos.Fail},
	{"checkouts that fail though they need no recommendations", func(t *testing.T, w *world) {
		w.each(secondBegun+injectedAfter, secondBegun+liftingAfter, unheard)
	}, "collateral", "", recommendDown, chaos.Fail},
	{"more calls at once than a bulkhead lets through", func(t *testing.T, w *world) {
		for i := range 10 {
			w.span(w.id(), "orders", "shipping", faulty+float64(i)/100, 0.4, 1, "OK")
		}
	}, "bulkheads", "orders->shipping", bankCut, chaos.Fail},
}
