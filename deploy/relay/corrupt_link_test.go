package relay_test

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"net"
	"testing"

	"github.com/bedlamlab/bedlam/deploy"
)

// overTheWire sends the pattern through a relay with the rule to somebody who
// sends it back, and returns which of its bytes came back wrong.
func overTheWire(t *testing.T, d deploy.Direction, percent float64, live bool) []int {
	t.Helper()
	r := between(t, serve(t, echo))
	defer r.Stop()
	var c *net.TCPConn
	if live {
		c = r.dial()
		ask(t, c, "there already")
	}
	r.shape(rule("r", "corrupt", d, fmt.Sprintf(`{"percent":%v}`, percent)))
	if !live {
		c = r.dial()
	}
	go func() {
		c.Write(pattern)
		c.CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil || len(got) != len(pattern) {
		t.Fatalf("%d of %d bytes came back: %v", len(got), len(pattern), err)
	}
	var at []int
	for i := range got {
		if got[i] != pattern[i] {
			at = append(at, i)
		}
	}
	if e := r.evidence(ab, "r"); e.Connections != 1 || e.Chunks == 0 || e.Chunks > int64(len(at)) {
		t.Errorf("%s: %d wrong bytes, evidence %+v", d, len(at), e)
	}
	r.unshape("r")
	ask(t, r.dial(), "all is well")
	return at
}

// The wire carries the percentage of wrong KiB that was asked for, each way, on
// new connections and on those that are there; always the same, because the
// seed decides.
func TestCorrupt(t *testing.T) {
	const percent, p = 20, 0.2
	blocks := float64(len(pattern)) / 1024
	spread := 2.576 * math.Sqrt(blocks*p*(1-p)) // 99 %
	ways := map[deploy.Direction][]int{}
	for _, d := range []deploy.Direction{deploy.To, deploy.From} {
		for _, live := range []bool{false, true} {
			at := overTheWire(t, d, percent, live)
			if math.Abs(float64(len(at))-blocks*p) > spread {
				t.Errorf("%s (live %t): %d of %.0f KiB are wrong", d, live, len(at), blocks)
			}
			if live && fmt.Sprint(at) != fmt.Sprint(ways[d]) {
				t.Errorf("%s: the same seed hit other bytes of a connection that was there", d)
			}
			ways[d] = at
		}
	}
	if fmt.Sprint(ways[deploy.To]) == fmt.Sprint(ways[deploy.From]) {
		t.Error("both ways are hit at the same places")
	}
	both := map[int]bool{}
	for _, at := range overTheWire(t, deploy.Both, percent, false) {
		both[at] = true
	}
	for _, d := range []deploy.Direction{deploy.To, deploy.From} {
		for _, at := range ways[d] {
			if !both[at] { // two hits of one bit would undo each other; the seed has none
				t.Fatalf("both: byte %d is right, %s alone hits it", at, d)
			}
		}
	}
}

// With a toxicity, some connections are corrupted and the others carry what they are given.
func TestCorruptOfAShare(t *testing.T) {
	r := between(t, serve(t, echo))
	some := rule("r", "corrupt", "both", `{"percent":100}`)
	some.Toxicity = 0.5
	r.shape(some)
	var wrong int64
	const n = 20
	for range n {
		c := r.dial()
		c.Write(pattern[:1024])
		got := make([]byte, 1024)
		if _, err := io.ReadFull(c, got); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, pattern[:1024]) {
			wrong++
		}
	}
	if e := r.evidence(ab, "r"); wrong == 0 || wrong == n || e.Connections != wrong {
		t.Errorf("%d of %d connections are wrong, evidence %+v", wrong, n, e)
	}
}
