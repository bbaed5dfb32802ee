package relay

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/topology"
)

// meets returns, for each of the first n connections of a link, whether it
// meets a rule of that toxicity.
func meets(t testing.TB, toxicity float64, seed uint64, n int) []byte {
	t.Helper()
	r := deploy.Rule{ID: "r", Kind: "partition", Links: []topology.Link{{From: "a-1", To: "b-1"}}, TTL: topology.Duration(longest), Toxicity: toxicity, Seed: seed}
	h, err := decodeRule(&r)
	if err != nil {
		t.Fatal(err)
	}
	p := newPosting(&program{rule: r, harm: h}, r.Links[0])
	all := make([]byte, n)
	for i := range all {
		all[i] = '.'
		if m := p.meet(uint64(i + 1)); m.to != nil && m.from != nil {
			all[i] = 'm'
		}
	}
	return all
}

// The share of connections that meet a rule is what was asked for, within the
// 99 % interval of so many draws; the draws are seeded, so the figures never
// change. The same seed chooses the same ones, another one others, and a larger
// share adds to those of a smaller one.
func TestToxicity(t *testing.T) {
	const n = 20_000
	var before []byte
	for _, toxicity := range []float64{0.01, 0.25, 0.5, 0.9} {
		met := meets(t, toxicity, 1, n)
		got, spread := float64(bytes.Count(met, []byte("m"))), 2.576*math.Sqrt(n*toxicity*(1-toxicity))
		if math.Abs(got-n*toxicity) > spread {
			t.Errorf("toxicity %v: %v of %d connections met it", toxicity, got, n)
		}
		for i := range before {
			if before[i] == 'm' && met[i] != 'm' {
				t.Fatalf("connection %d meets a smaller share and not %v", i+1, toxicity)
			}
		}
		before = met
		if !bytes.Equal(met, meets(t, toxicity, 1, n)) || bytes.Equal(met, meets(t, toxicity, 2, n)) {
			t.Errorf("toxicity %v: it is not the seed that chooses", toxicity)
		}
	}
	for _, all := range []float64{0, 1} {
		if met := meets(t, all, 1, n); bytes.Contains(met, []byte(".")) {
			t.Errorf("toxicity %v: %d of %d connections met it, want all", all, bytes.Count(met, []byte("m")), n)
		}
	}
}

// Whatever else a rule draws is the same whatever its share.
func TestToxicityLeavesOtherDrawsAlone(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := deploy.Rule{ID: "r", Kind: "latency", Links: []topology.Link{{From: "a-1", To: "b-1"}}, TTL: topology.Duration(longest),
			Args: json.RawMessage(`{"latency":"100ms","jitter":"90ms"}`), Seed: rapid.Uint64().Draw(rt, "seed")}
		ordinal := rapid.Uint64().Draw(rt, "ordinal")
		first := func(toxicity float64) (delays [2]float64, met bool) {
			r.Toxicity = toxicity
			h, err := decodeRule(&r)
			if err != nil {
				rt.Fatal(err)
			}
			m := newPosting(&program{rule: r, harm: h}, r.Links[0]).meet(ordinal)
			if m.to == nil || m.from == nil {
				return delays, false
			}
			return [2]float64{float64(m.to.shaper.(*delay).next()), float64(m.from.shaper.(*delay).next())}, true
		}
		all, _ := first(0)
		if some, met := first(rapid.Float64Range(0.1, 1).Draw(rt, "toxicity")); met && some != all {
			rt.Errorf("it drew %v, and %v with a share", all, some)
		}
	})
}

func TestToxicityIsAShare(t *testing.T) {
	for _, bad := range []float64{-0.1, 1.1, math.NaN(), math.Inf(1)} {
		r := deploy.Rule{ID: "r", Kind: "partition", Links: []topology.Link{{From: "a-1", To: "b-1"}}, TTL: topology.Duration(longest), Toxicity: bad}
		if _, err := decodeRule(&r); err == nil || !strings.Contains(err.Error(), "toxicity") {
			t.Errorf("%v: %v", bad, err)
		}
	}
	of := func(toxicity float64) *program {
		return &program{rule: deploy.Rule{Kind: "partition", Toxicity: toxicity}}
	}
	if !of(0).same(of(1)) || of(0.5).same(of(1)) || of(0.5).same(of(0.25)) {
		t.Error("rules of the same share are the same, and others are not")
	}
}
