package check

import (
	"slices"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/loadgen"
)

// A sample is what the requests of one class, due in one window, came to.
type sample struct {
	n, good, failed, degraded int
	latencies                 []float64 // seconds, ascending
}

// A clock says from when a request's latency counts.
type clock bool

const (
	fromDue clock = false // as customers count it
	// fromSent leaves the generator's own lateness out. It never decides that
	// something passes, only whether a failure is the shop's.
	fromSent clock = true
)

func (c clock) latency(r loadgen.Request) time.Duration {
	if c == fromSent {
		return r.Done - max(r.Due, r.Sent)
	}
	return r.Latency()
}

// useful is what goodput counts: a true answer within its class's limit.
func (c clock) useful(r loadgen.Request) bool {
	return r.Good() && c.latency(r) <= loadgen.Limit(r.Class)
}

// good reports whether a request counts for goodput.
func good(r loadgen.Request) bool { return r.Useful() }

type sampleKey struct {
	window chaos.Window
	class  string // empty: all
	clock  clock
}

// sample counts each window once, however many limits ask for it.
func (m *meter) sample(w chaos.Window, class string, c clock) *sample {
	key := sampleKey{w, class, c}
	if s, ok := m.samples[key]; ok {
		return s
	}
	s := &sample{}
	for _, r := range m.due(w) {
		if class != "" && r.Class != class {
			continue
		}
		s.n++
		if c.useful(r) {
			s.good++
		}
		if !r.Good() {
			s.failed++
		}
		if r.Outcome == loadgen.Degraded {
			s.degraded++
		}
		s.latencies = append(s.latencies, c.latency(r).Seconds())
	}
	slices.Sort(s.latencies)
	m.samples[key] = s
	return s
}

// tail is the number of samples that must lie above a percentile for it to be
// said: with fewer, one slow request more or less moves it.
const tail = 10

// percentile is the nearest-rank percentile, in thousandths.
func (s *sample) percentile(q int) reading {
	rank := (s.n*q + 999) / 1000
	if s.n-rank < tail {
		return reading{nil, s.n}
	}
	l := s.latencies[rank-1]
	return reading{&l, s.n}
}

// share is a part of the sample.
func (s *sample) share(part int) reading {
	if s.n == 0 {
		return reading{}
	}
	x := float64(part) / float64(s.n)
	return reading{&x, s.n}
}

// count is a number of the sample's requests; of no requests, it is unknown.
func (s *sample) count(part int) reading {
	if s.n == 0 {
		return reading{}
	}
	x := float64(part)
	return reading{&x, s.n}
}
