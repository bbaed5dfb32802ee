package relay

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bedlamlab/bedlam/deploy"
)

// A delivery is what came out of one flow at one moment.
type delivery struct {
	flow, bytes int
	at          time.Duration
}

// simulate runs flows over one line in a time of its own: each always has bytes
// waiting, and wakes late by what late says. It returns what was delivered, in
// time's order, until end.
func simulate(l *line, flows int, chunkSize int, late func() time.Duration, end time.Duration) []delivery {
	begin := time.Unix(1_000_000, 0)
	type waiting struct {
		chain
		wake  time.Time
		ahead int // bytes in its queue
	}
	all := make([]*waiting, flows)
	for i := range all {
		all[i] = &waiting{wake: begin}
		all[i].held = func(int64) {}
		all[i].stages = []*stage{{shaper: l, touch: func(chunk) {}}}
	}
	var out []delivery
	for {
		i, w := 0, all[0]
		for j, o := range all {
			if o.wake.Before(w.wake) {
				i, w = j, o
			}
		}
		now := w.wake
		if now.Sub(begin) > end {
			return out
		}
		for w.ahead < 2*int(l.rate)/int(time.Second/lateness)+readSize { // as a reader does
			w.pass(0, chunk{data: make([]byte, chunkSize), at: begin})
			w.ahead += chunkSize
		}
		due := w.advance(now)
		for _, c := range w.out {
			out = append(out, delivery{i, len(c.data), now.Sub(begin)})
			w.ahead -= len(c.data)
		}
		w.out = nil
		w.wake = due.Add(late())
	}
}

// However many connections saturate a line, and however late each of them wakes
// within reason, every second of it carries what was asked, within 3 %, and the
// connections share it evenly.
func TestTheLineKeepsItsRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := deploy.Rate(rapid.Int64Range(60_000, 200_000_000).Draw(t, "rate"))
		flows := rapid.IntRange(1, 8).Draw(t, "flows")
		size := rapid.IntRange(1, readSize).Draw(t, "chunk")
		// Millions of chunks of a few bytes prove no more than thousands.
		size = max(size, int(rate)/20_000)
		late := rapid.Int64Range(0, int64(lateness)/2)
		const end = 3 * time.Second
		out := simulate(&line{rate: rate}, flows, size, func() time.Duration { return time.Duration(late.Draw(t, "late")) }, end)
		for _, from := range []time.Duration{0, 100 * time.Millisecond, 1234 * time.Millisecond, 1990 * time.Millisecond} {
			var sum int
			for _, d := range out {
				if d.at >= from && d.at < from+time.Second {
					sum += d.bytes
				}
			}
			if ratio := float64(sum) / float64(rate); ratio < 0.97 || ratio > 1.03 {
				t.Fatalf("the second from %v carried %.4f of %v (%d flows, chunks of %d)", from, ratio, rate, flows, size)
			}
		}
	})
}

// The same at the rates that experiments ask for, from one connection that
// wakes in time to many that wake late.
func TestUsualRates(t *testing.T) {
	for _, rate := range []deploy.Rate{100_000, 300_000, 1_000_000, 3_000_000, 10_000_000} {
		for flows, late := range map[int]time.Duration{1: 0, 3: 2 * time.Millisecond, 32: lateness / 2} {
			var sum int
			const end = 2 * time.Second
			for _, d := range simulate(&line{rate: rate}, flows, readSize, func() time.Duration { return late }, end) {
				sum += d.bytes
			}
			if ratio := float64(sum) / float64(rate) / end.Seconds(); ratio < 0.97 || ratio > 1.03 {
				t.Errorf("%d connections carried %.4f of %v", flows, ratio, rate)
			}
		}
	}
}

// Connections that always have bytes waiting carry the same within a few pieces.
func TestConnectionsShareTheLine(t *testing.T) {
	const flows = 5
	var carried [flows]int
	for _, d := range simulate(&line{rate: 1e6}, flows, 20_000, func() time.Duration { return 0 }, time.Second) {
		carried[d.flow] += d.bytes
	}
	if least, most := slices.Min(carried[:]), slices.Max(carried[:]); most-least > 2*5000 {
		t.Errorf("they carried %v", carried)
	}
}

// An idle line saves nothing up, and one that was held up makes up for no more
// than its lateness.
func TestTheLineSavesNothing(t *testing.T) {
	begin := time.Unix(1_000_000, 0)
	l := &line{rate: 1e6} // a byte a microsecond
	at := func(ms int) time.Time { return begin.Add(time.Duration(ms) * time.Millisecond) }
	for _, step := range []struct {
		what            string
		bytes           int
		came, now, want time.Time
	}{
		{"the first takes its own time", 1000, at(0), at(0), at(1)},
		{"the next waits for it", 1000, at(0), at(0), at(2)},
		{"after a second's rest no faster", 1000, at(1002), at(1002), at(1003)},
		{"who wakes late is not late for it", 1000, at(1002), at(1010), at(1004)},
		{"but not for more than the lateness", 1000, at(1002), at(1104), at(1080)},
	} {
		if got := l.pace(chunk{data: make([]byte, step.bytes), at: step.came}, step.now); !got.Equal(step.want) {
			t.Errorf("%s: after %v, want %v", step.what, got.Sub(begin), step.want.Sub(begin))
		}
	}
}

// Bytes go on piece by piece, not all at the end.
func TestTheLineIsSmooth(t *testing.T) {
	out := simulate(&line{rate: 64_000}, 1, readSize, func() time.Duration { return 0 }, time.Second)
	slices.SortFunc(out, func(a, b delivery) int { return cmp.Compare(a.at, b.at) })
	for i := 1; i < len(out); i++ {
		if gap := out[i].at - out[i-1].at; gap > 2*turn {
			t.Fatalf("nothing for %v at %v", gap, out[i].at)
		}
	}
}
