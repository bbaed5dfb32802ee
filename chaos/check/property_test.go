package check_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/check"
	"github.com/bedlamlab/bedlam/loadgen"
)

// vary changes a golden run in ways that keep it good.
func vary(t *rapid.T, w *world) {
	w.plan.Seed = rapid.Uint64().Draw(t, "seed")
	jitter := rapid.Float64Range(0, 0.3).Draw(t, "latency")
	lag := rapid.Float64Range(0, 0.009).Draw(t, "lag")
	r := rand.New(rand.NewPCG(w.plan.Seed, 1))
	w.each(0, loadStopped, func(q *loadgen.Request) {
		late := seconds(lag * r.Float64())
		q.Sent, q.Done = q.Due+late, q.Done+late+seconds(jitter*r.Float64())
	})
	// Some failures in each fault phase, well within the tenth that may fail.
	for _, begun := range []float64{firstBegun, secondBegun} {
		from := begun + rapid.Float64Range(0.7, 6).Draw(t, "failures")
		w.each(from, from+rapid.Float64Range(0, 0.4).Draw(t, "for"), failed)
	}
	if rapid.Bool().Draw(t, "rolling") {
		w.roll(bankCut, firstBegun+auditedAfter)
		w.roll(recommendDown, secondBegun+auditedAfter)
	}
}

// shuffle changes everything of which the order means nothing.
func shuffle(r *rand.Rand, w *world) {
	swap := func(n int, swap func(i, j int)) { r.Shuffle(n, swap) }
	swap(len(w.requests), func(i, j int) { w.requests[i], w.requests[j] = w.requests[j], w.requests[i] })
	swap(len(w.spans), func(i, j int) { w.spans[i], w.spans[j] = w.spans[j], w.spans[i] })
	for _, of := range w.final {
		swap(len(of), func(i, j int) { of[i], of[j] = of[j], of[i] })
	}
	for _, early := range w.early {
		for _, of := range early {
			swap(len(of), func(i, j int) { of[i], of[j] = of[j], of[i] })
		}
	}
}

func TestGoodRunsPass(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := golden()
		vary(t, w)
		if res := judge(w); res.Verdict != chaos.Pass {
			t.Fatalf("got %s: %q%s", res.Verdict, res.Reasons, list(res))
		}
	})
}

// The same record gives the same result, to the byte, in whatever order its
// rows, spans and requests come.
func TestJudgementDoesNotDependOnOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := bads[rapid.IntRange(0, len(bads)-1).Draw(rt, "bad")]
		seed := rapid.Uint64().Draw(rt, "order")
		w := golden()
		b.spoil(t, w)
		rec := w.record()
		first, again := encode(t, check.Judge(rec)), encode(t, check.Judge(rec))
		if !bytes.Equal(first, again) {
			rt.Fatalf("%s: judged again, the result differs:\n%s", b.name, difference(first, again))
		}
		shuffle(rand.New(rand.NewPCG(seed, 2)), w)
		if shuffled := encode(t, judge(w)); !bytes.Equal(first, shuffled) {
			rt.Fatalf("%s: in another order, the result differs:\n%s", b.name, difference(first, shuffled))
		}
	})
}

func difference(a, b []byte) string {
	i := 0
	for i < min(len(a), len(b)) && a[i] == b[i] {
		i++
	}
	cut := func(s []byte) string { return string(s[max(0, i-100):min(len(s), i+100)]) }
	return fmt.Sprintf("  %s\n  %s", cut(a), cut(b))
}
