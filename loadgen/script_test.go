package loadgen_test

import (
	"flag"
	"fmt"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/bedlamlab/bedlam/loadgen"
)

var update = flag.Bool("update", false, "write golden files anew; read the diff before you commit")

func skus(n int) []string {
	s := make([]string, n)
	for i := range s {
		s[i] = fmt.Sprintf("P%05d", i+1)
	}
	return s
}

func planner(t testing.TB, seed uint64, n int) *loadgen.Planner {
	t.Helper()
	p, err := loadgen.NewPlanner(seed, skus(n))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// What a seed means stays the same across versions; if it changes, that is
// news for the changelog.
func TestScriptsGolden(t *testing.T) {
	var b strings.Builder
	var s loadgen.Script
	p := planner(t, 7, 1000)
	for n := range uint64(40) {
		p.Script(n, &s)
		fmt.Fprintf(&b, "%d %s\n", s.Journey, s.Kind)
		for _, st := range s.Steps {
			fmt.Fprintf(&b, "  %v %s", st.At, st.Class)
			if st.SKU != "" {
				fmt.Fprintf(&b, " %s", st.SKU)
			}
			if st.Qty != 0 {
				fmt.Fprintf(&b, " ×%d", st.Qty)
			}
			if st.Card != "" {
				fmt.Fprintf(&b, " %s", st.Card)
			}
			b.WriteByte('\n')
		}
	}
	const file = "testdata/scripts.golden"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("the scripts of seed 7 have changed:\n%s", b.String())
	}
}

// A journey's script is the same whichever was written before it.
func TestScriptsStandAlone(t *testing.T) {
	p := planner(t, 3, 100)
	var alone, after loadgen.Script
	p.Script(50, &alone)
	for n := range uint64(51) {
		p.Script(n, &after)
	}
	if !reflect.DeepEqual(alone, after) {
		t.Errorf("alone %+v, after others %+v", alone, after)
	}
}

func TestShares(t *testing.T) {
	const n = 50_000
	p := planner(t, 1, 1000)
	count := map[string]int{}
	var s loadgen.Script
	products, first := 0, 0
	for j := range uint64(n) {
		p.Script(j, &s)
		count[s.Kind]++
		inCart := map[string]bool{}
		for _, st := range s.Steps {
			switch st.Class {
			case loadgen.ClassProduct:
				if products++; st.SKU == "P00001" {
					first++
				}
			case loadgen.ClassCartAdd:
				if inCart[st.SKU] || st.Qty < 1 || st.Qty > 3 {
					t.Fatalf("journey %d: %+v", j, s.Steps)
				}
				inCart[st.SKU] = true
			case loadgen.ClassCheckout:
				count["cards"]++
				if strings.HasPrefix(st.Card, "declined") {
					count["declined"]++
				}
			}
		}
	}
	for what, want := range map[string]float64{"browse": .7, "cart": .2, "buy": .1} {
		if got := float64(count[what]) / n; math.Abs(got-want) > 0.01 {
			t.Errorf("%v of the journeys %s, want %v", got, what, want)
		}
	}
	if got := float64(count["declined"]) / float64(count["cards"]); math.Abs(got-0.02) > 0.01 {
		t.Errorf("%v of the cards are declined, want 0.02", got)
	}
	// Of 1000 products by Zipf, the first draws 1/H(1000) = 13.4 % of demand.
	if got := float64(first) / float64(products); math.Abs(got-0.134) > 0.01 {
		t.Errorf("the first product draws %v of the demand, want 0.134", got)
	}
}

// A shop with one product is a shop.
func TestOneProduct(t *testing.T) {
	p := planner(t, 1, 1)
	var s loadgen.Script
	for j := range uint64(200) {
		p.Script(j, &s)
		for _, st := range s.Steps {
			if st.Class == loadgen.ClassProduct && st.SKU != "P00001" {
				t.Fatalf("asks for %q", st.SKU)
			}
		}
	}
	if _, err := loadgen.NewPlanner(1, nil); err == nil {
		t.Error("an empty catalogue is taken")
	}
}
