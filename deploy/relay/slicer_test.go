package relay

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/topology"
)

// Whatever comes, whenever the flow wakes: pieces are of the sizes that were
// asked for, none follows the one before sooner than the delay, no byte is
// lost or overtaken, and the flow knows to the byte what it holds.
func TestSlicerCuts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		average := rapid.IntRange(1, 2000).Draw(t, "average")
		variation := rapid.IntRange(0, average-1).Draw(t, "variation")
		delay := time.Duration(rapid.IntRange(0, 20).Draw(t, "delay")) * time.Millisecond
		h, err := decodeSlicer(deploy.Rule{Args: json.RawMessage(fmt.Sprintf(`{"average_size":%d,"size_variation":%d,"delay":"%s"}`, average, variation, delay))})
		if err != nil {
			t.Fatal(err)
		}
		s := h.(slicer).meet(func(d deploy.Direction) *rand.Rand { return draws(1, topology.Link{}, 1, d) }).to
		var held int64
		touched := false
		way := chain{held: func(n int64) { held += n }, stages: []*stage{{shaper: s, touch: func(chunk) { touched = true }}}}
		begin := time.Unix(1_000_000, 0)
		now := begin
		var sent, got []byte
		var ends []int // of chunks, in sent
		var last time.Time
		deliver := func() {
			crumbs := 0 // pieces that left something of their chunk behind
			for _, c := range way.out {
				held -= c.size()
				if c.mark == payload {
					whole := len(c.data) >= average-variation
					got = append(got, c.data...)
					end := len(ends) > 0 && len(got) == ends[0]
					if len(c.data) > average+variation || !whole && !end {
						t.Fatalf("a piece of %d bytes", len(c.data))
					}
					if end {
						ends = ends[1:]
					} else {
						crumbs++
					}
					if !last.IsZero() && now.Sub(last) < delay {
						t.Fatalf("a piece after %v", now.Sub(last))
					}
					last = now
				}
			}
			if crumbs > 1 {
				t.Fatalf("%d pieces of a chunk at once", crumbs)
			}
			way.out = nil
		}
		largest := 0
		for range rapid.IntRange(0, 5).Draw(t, "chunks") {
			data := bytes.Repeat([]byte{byte(len(sent))}, rapid.IntRange(1, 5000).Draw(t, "size"))
			sent, largest = append(sent, data...), max(largest, len(data))
			ends = append(ends, len(sent))
			held += chunk{data: data}.size()
			way.pass(0, chunk{data: data, at: now})
			for range rapid.IntRange(0, 3).Draw(t, "turns") {
				due := way.advance(now)
				deliver()
				if due != never {
					now = now.Add(max(0, due.Sub(now)))
				}
				now = now.Add(time.Duration(rapid.IntRange(0, 5).Draw(t, "late")) * time.Millisecond)
			}
		}
		held += chunk{mark: ending}.size()
		way.pass(0, chunk{mark: ending, at: now})
		for len(way.stages[0].queue) > 0 {
			due := way.advance(now)
			deliver()
			if due != never && due.After(now) {
				now = due
			}
		}
		if !bytes.Equal(got, sent) || held != 0 || touched != (largest > average+variation) {
			t.Errorf("%d of %d bytes, %d held, touched %t", len(got), len(sent), held, touched)
		}
	})
}

// The same seed cuts the same sizes, another one others.
func TestSlicerDraws(t *testing.T) {
	sizes := func(seed uint64) (all []int) {
		h := slicer{AverageSize: 100, SizeVariation: 90}
		s := h.meet(func(d deploy.Direction) *rand.Rand { return draws(seed, topology.Link{}, 1, d) }).to.(*slicing)
		for range 100 {
			all = append(all, s.cut(chunk{}, time.Time{}))
		}
		return all
	}
	if first := fmt.Sprint(sizes(1)); first != fmt.Sprint(sizes(1)) || first == fmt.Sprint(sizes(2)) {
		t.Errorf("it is not the seed that chooses: %s", first)
	}
}
