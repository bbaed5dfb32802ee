package chaos_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/services"
)

func TestTheWorstVerdictCounts(t *testing.T) {
	for _, c := range []struct {
		of   []chaos.Verdict
		want chaos.Verdict
		why  string
	}{
		{nil, chaos.Inconclusive, "of nothing, nothing is known"},
		{[]chaos.Verdict{chaos.Pass, chaos.Pass}, chaos.Pass, "all pass"},
		{[]chaos.Verdict{chaos.Pass, chaos.Inconclusive}, chaos.Inconclusive, "one cannot be told"},
		{[]chaos.Verdict{chaos.Inconclusive, chaos.Fail, chaos.Pass}, chaos.Fail, "a failure stands whatever else"},
		{[]chaos.Verdict{0}, chaos.Inconclusive, "the zero value proves nothing"},
	} {
		if got := chaos.Worst(c.of...); got != c.want {
			t.Errorf("%s: %v of %v, want %v", c.why, got, c.of, c.want)
		}
	}
}

func TestVerdictsSurviveText(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		want := rapid.SampledFrom([]chaos.Verdict{chaos.Inconclusive, chaos.Pass, chaos.Fail}).Draw(r, "verdict")
		b, err := json.Marshal(want)
		if err != nil {
			r.Fatal(err)
		}
		var got chaos.Verdict
		if err := json.Unmarshal(b, &got); err != nil || got != want {
			r.Fatalf("%s is read as %v, %v", b, got, err)
		}
	})
	var v chaos.Verdict
	if err := v.UnmarshalText([]byte("GREEN")); err == nil {
		t.Error("GREEN is taken for a verdict")
	}
}

func TestSelect(t *testing.T) {
	shop := services.Shop()
	for _, c := range []struct {
		s    chaos.Selector
		want []string
		err  string
	}{
		{chaos.Selector{Services: []string{"payment"}}, []string{"payment-1", "payment-2"}, ""},
		{chaos.Selector{Services: []string{"payment"}, Zones: []string{"b"}}, []string{"payment-2"}, ""},
		{chaos.Selector{Instances: []string{"bank-1"}}, []string{"bank-1"}, ""},
		{chaos.Selector{Tiers: []string{"store", "third-party"}}, []string{"bank-1", "postgres-1", "bankdb-1"}, ""},
		{chaos.Selector{Tiers: []string{"store", "web"}, Zones: []string{"b"}}, []string{"gateway-2"}, ""},
		{chaos.Selector{Tiers: []string{"attic"}}, nil, `has no tier called "attic"`},
		{chaos.Selector{}, nil, "would harm everything"},
		{chaos.Selector{Services: []string{"paymnt"}}, nil, `has no service called "paymnt"`},
		{chaos.Selector{Zones: []string{"c"}}, nil, `has no zone called "c"`},
		{chaos.Selector{Services: []string{"bank"}, Zones: []string{"b"}}, nil, "matches no instance"},
	} {
		ins, err := chaos.Select(shop, c.s)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%+v: got %v, want %q", c.s, err, c.err)
			}
			continue
		}
		var got []string
		for _, in := range ins {
			got = append(got, in.Name)
		}
		if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
			t.Errorf("%+v: %v, %s", c.s, err, diff)
		}
	}
}
