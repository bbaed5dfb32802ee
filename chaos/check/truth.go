package check

import (
	"fmt"
	"slices"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/loadgen"
	"github.com/bedlamlab/bedlam/observability/collector"
)

// untrue is the reason that the generator gives for an answer that cannot be so.
const untrue = "untrue"

// truth: what the shop says can be read back.
var truth = experimentCheck{
	Check: Check{"truth", "what an answer says can be read back: an order that says PAID is PAID, a page shows the product that was asked for"},
	on:    onFacts,
	judge: func(v *view) []chaos.Finding {
		if v.begun < 0 {
			return nil
		}
		w := chaos.Window{From: v.begun, To: v.m.stop + 1}
		for _, next := range v.m.views {
			if next.begun > v.begun {
				w.To = min(w.To, next.begun)
			}
		}
		return v.m.untrue(w)
	},
}

// untrueBefore finds untrue answers that belong to no experiment.
func untrueBefore(m *meter) []chaos.Finding {
	w := chaos.Window{To: m.stop + 1}
	for _, v := range m.views {
		if v.begun >= 0 {
			w.To = min(w.To, v.begun)
		}
	}
	return m.untrue(w)
}

// author is the service whose word a class of requests asks for.
var author = map[string]string{
	loadgen.ClassHome: "catalog", loadgen.ClassProduct: "catalog", loadgen.ClassCartAdd: "cart",
	loadgen.ClassCartRead: "cart", loadgen.ClassCheckout: "checkout", loadgen.ClassOrder: "orders",
}

// untrue makes one finding for each service that said what was not so, to
// whomever.
func (m *meter) untrue(w chaos.Window) []chaos.Finding {
	var fs []chaos.Finding
	for _, r := range within(m.all, w) {
		if r.Outcome != loadgen.Failed || r.Reason != untrue {
			continue
		}
		site, ok := author[r.Class]
		if !ok {
			site = "gateway"
		}
		i := slices.IndexFunc(fs, func(f chaos.Finding) bool { return f.Site == site })
		if i < 0 {
			i = len(fs)
			fs = append(fs, chaos.Finding{Check: "truth", Verdict: chaos.Fail, Site: site, Mechanism: "answer", Trace: collector.TraceID(r.TraceID).String()})
		}
		fs[i].Count++
	}
	for i := range fs {
		fs[i].Text = fmt.Sprintf("%d answers of %s were untrue, limit 0", fs[i].Count, fs[i].Site)
	}
	return fs
}
