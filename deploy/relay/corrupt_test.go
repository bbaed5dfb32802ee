package relay

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/topology"
)

// corrupted passes data through the rule in pieces of the sizes that size says.
func corrupted(t interface{ Fatal(...any) }, percent float64, seed uint64, data []byte, size func() int) []byte {
	h, err := decodeCorrupt(deploy.Rule{Args: json.RawMessage(fmt.Sprintf(`{"percent":%v}`, percent))})
	if err != nil {
		t.Fatal(err)
	}
	s := h.meet(func(d deploy.Direction) *rand.Rand { return draws(seed, topology.Link{From: "a-1", To: "b-1"}, 1, d) }).to
	var out []byte
	for data = bytes.Clone(data); len(data) > 0; {
		n := min(size(), len(data))
		var got []byte
		before := bytes.Clone(data[:n])
		changed := s.shape(chunk{data: data[:n:n]}, func(c chunk) { got = append(got, c.data...) })
		if changed == bytes.Equal(before, got) {
			t.Fatal("it says that it changed a chunk and did not, or the other way round")
		}
		out, data = append(out, got...), data[n:]
	}
	return out
}

// wrong returns where two streams of one length differ.
func wrong(a, b []byte) (at []int) {
	for i := range a {
		if a[i] != b[i] {
			at = append(at, i)
		}
	}
	return at
}

// The share of KiB that are hit is what was asked for, within the 99 % interval
// of so many draws (seeded, so that the figures never change), one bit in each,
// anywhere in it; the same seed hits the same bytes, another one others, and a
// larger percentage adds to those of a smaller one.
func TestCorruptKeepsItsPercentage(t *testing.T) {
	const blocks = 20_000
	data := make([]byte, blocks*corruptBlock)
	whole := func() int { return len(data) }
	var before []byte
	for _, percent := range []float64{0.5, 5, 50, 100} {
		got := corrupted(t, percent, 1, data, whole)
		at := wrong(data, got)
		p := percent / 100
		if spread := 2.576 * math.Sqrt(blocks*p*(1-p)); math.Abs(float64(len(at))-blocks*p) > spread {
			t.Errorf("%v %%: %d of %d KiB are hit", percent, len(at), blocks)
		}
		var sum float64
		for i, a := range at {
			if i > 0 && at[i-1]/corruptBlock == a/corruptBlock || bits.OnesCount8(got[a]) != 1 {
				t.Fatalf("%v %%: byte %d is %08b, or its KiB is hit twice", percent, a, got[a])
			}
			sum += float64(a % corruptBlock)
		}
		// The mean place of n draws strays by 1024/sqrt(12n) on average.
		if mean := sum / float64(len(at)); math.Abs(mean-corruptBlock/2) > 2.576*corruptBlock/math.Sqrt(12*float64(len(at))) {
			t.Errorf("%v %%: the mean place in a KiB is %.1f", percent, mean)
		}
		for i := range before {
			if before[i] != 0 && got[i] != before[i] {
				t.Fatalf("byte %d is hit at a smaller percentage and not at %v", i, percent)
			}
		}
		before = got
		if percent < 100 && bytes.Equal(got, corrupted(t, percent, 2, data, whole)) {
			t.Errorf("%v %%: seeds 1 and 2 hit the same bytes", percent)
		}
	}
}

// However the stream happens to be read, the same bytes are hit.
func TestCorruptCountsInTheStream(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := bytes.Repeat([]byte("bedlam "), rapid.IntRange(1, 4000).Draw(t, "words"))
		percent := rapid.Float64Range(0.01, 100).Draw(t, "percent")
		seed := rapid.Uint64().Draw(t, "seed")
		sizes := rapid.IntRange(1, 3000)
		whole := corrupted(t, percent, seed, data, func() int { return len(data) })
		if pieces := corrupted(t, percent, seed, data, func() int { return sizes.Draw(t, "size") }); !bytes.Equal(whole, pieces) {
			t.Errorf("hit at %v, in pieces at %v", wrong(data, whole), wrong(data, pieces))
		}
	})
}
