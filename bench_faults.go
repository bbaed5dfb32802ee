package bedlam

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
)

const (
	// benchBusy connections ask at the same time where requests a second are
	// counted: many times the cores of a small machine, and what a busy
	// instance's callers hold.
	benchBusy = 32
	// benchTurn requests in a row are asked of each way when one connection's
	// time is measured: enough to be warm, few enough that what else the machine
	// does falls on all of them.
	benchTurn = 20
	// benchDelay is the latency that is asked for.
	benchDelay = 100 * time.Millisecond
	// benchRate is the bandwidth that is asked for, bytes a second.
	benchRate = 1_000_000
)

// benchCrowds are how many connections are delayed at the same time.
var benchCrowds = []int{100, 1000}

// What is measured of a way, as the key of its value in a round.
const (
	benchRequestRate = "requests/s at 32 connections"
	benchBulk        = "bulk throughput, MB/s"
	benchRequestCPU  = "CPU of the proxy for one of those requests, µs"
	benchBulkCPU     = "CPU of the proxy for a MB, µs"
	benchAlone       = "p50 of a request at 1 connection, µs"
	benchNarrow      = "error of 1 MB/s, %"
	benchApply       = "rule applied under 100 connections, ms"
	benchLift        = "rule lifted under 100 connections, ms"
	benchPacketApply = "packet_delay applied in a namespace, ms"
	benchPacketLift  = "packet_delay lifted in a namespace, ms"
)

// benchLate and benchTail are the errors of a latency: over the control, whose
// own over what it was asked for stand with the direct way.
func benchLate(connections int) string {
	return fmt.Sprintf("100 ms at %d connections: mean error, ms", connections)
}

func benchTail(connections int) string {
	return fmt.Sprintf("100 ms at %d connections: p99 error, ms", connections)
}

// A benchKey is one measure of one way.
type benchKey struct{ measure, way string }

// A FaultsBenchmark compares the relay with other proxies on this machine, in
// rounds in which each has its turn.
type FaultsBenchmark struct {
	Machine chaos.Machine
	Ways    []string // that were there
	Missing []string // one line for each that was not, with the rows that stay empty
	rounds  []map[benchKey]float64
	counts  map[string]benchCount // of all rounds together
	// noPackets is why there are no packet faults; nil: there are.
	noPackets error
}

// BenchFaults compares the relay with a direct connection and, if they are
// there, with haproxy and Toxiproxy, for so many rounds; each measurement of
// each lasts about as long as each says. Besides, it measures how long faults
// of the relay and, as root on Linux, of packets take to come and to go, beside
// the least that whoever does them takes, and counts which share they harm. Everything stands on loopback: the
// server and each proxy are processes of their own, the client is this one.
func BenchFaults(ctx context.Context, o Options, rounds int, each time.Duration) (b FaultsBenchmark, err error) {
	if rounds < 1 {
		return b, usage("%d rounds: want at least 1", rounds)
	}
	if each < 10*time.Millisecond || each > time.Minute {
		return b, usage("measurements of %s: want 10ms to 1m", each)
	}
	observe := o.Observe
	if observe == nil {
		observe = func(Status) {}
	}
	self := o.Bedlam
	if self == "" {
		if self, err = os.Executable(); err != nil {
			return b, err
		}
	}
	scratch, err := os.MkdirTemp("", "bedlam-bench-*")
	if err != nil {
		return b, err
	}
	defer os.RemoveAll(scratch)
	b.Machine = Machine()
	observe(Status{Step: "starting a server and the proxies"})
	field, err := newBenchField(ctx, self, scratch)
	defer field.close()
	if err != nil {
		return b, err
	}
	b.Missing, b.noPackets, b.counts = field.missing, field.noPackets, map[string]benchCount{}
	for _, w := range field.ways {
		b.Ways = append(b.Ways, w.name)
	}
	for n := range rounds {
		observe(Status{Step: fmt.Sprintf("round %d of %d", n+1, rounds)})
		values := map[benchKey]float64{}
		if err := field.round(ctx, each, values); err != nil {
			return b, fmt.Errorf("round %d: %w", n+1, err)
		}
		if err := field.shares(ctx, n, b.counts); err != nil {
			return b, fmt.Errorf("round %d: %w", n+1, err)
		}
		b.rounds = append(b.rounds, values)
	}
	return b, nil
}

// round measures everything once, the ways in an order of their own each time.
func (f *benchField) round(ctx context.Context, each time.Duration, values map[benchKey]float64) error {
	shuffled := func() []*benchWay {
		all := slices.Clone(f.ways)
		rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		return all
	}
	for _, w := range shuffled() {
		spent := w.spends()
		v, took, err := requestsPerSecond(ctx, w.address, benchBusy, each)
		if err != nil {
			return fmt.Errorf("%s of %s: %w", benchRequestRate, w.name, err)
		}
		values[benchKey{benchRequestRate, w.name}] = v
		if cpu := spent(); cpu > 0 {
			values[benchKey{benchRequestCPU, w.name}] = 1e6 * cpu.Seconds() / (v * took.Seconds())
		}
	}
	for _, w := range shuffled() {
		spent := w.spends()
		v, took, err := poured(ctx, w.address, each)
		if err != nil {
			return fmt.Errorf("%s of %s: %w", benchBulk, w.name, err)
		}
		values[benchKey{benchBulk, w.name}] = v / 1e6
		if cpu := spent(); cpu > 0 {
			values[benchKey{benchBulkCPU, w.name}] = 1e12 * cpu.Seconds() / (v * took.Seconds())
		}
	}
	if err := inTurns(ctx, shuffled(), each, values); err != nil {
		return fmt.Errorf("%s: %w", benchAlone, err)
	}
	for _, n := range benchCrowds {
		if err := f.late(ctx, shuffled(), n, each, values); err != nil {
			return fmt.Errorf("a latency of %d connections: %w", n, err)
		}
	}
	for _, w := range shuffled() {
		if w.narrow == nil {
			continue
		}
		v, err := narrowed(ctx, w, each)
		if err != nil {
			return fmt.Errorf("%s of %s: %w", benchNarrow, w.name, err)
		}
		values[benchKey{benchNarrow, w.name}] = v
	}
	if f.packets == nil {
		return nil
	}
	if err := f.packets.shape(ctx, values); err != nil {
		return fmt.Errorf("a packet fault: %w", err)
	}
	return nil
}

// late measures how late answers are under a latency, beyond what was asked
// and beyond how late those of a server are that waits by itself. It is direct
// that leads to the one who waits.
func (f *benchField) late(ctx context.Context, order []*benchWay, n int, each time.Duration, values map[benchKey]float64) error {
	means, tails := map[string]time.Duration{}, map[string]time.Duration{}
	for _, w := range order {
		if w.name != benchDirect && w.delay == nil {
			continue
		}
		took, shaped, err := crowd(ctx, w, n, each)
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		var sum time.Duration
		for _, t := range took {
			sum += t
		}
		slices.Sort(took)
		means[w.name], tails[w.name] = sum/time.Duration(len(took)), took[len(took)*99/100]
		if w.delay != nil && n == benchCrowds[0] {
			values[benchKey{benchApply, w.name}] = milliseconds(shaped.apply)
			values[benchKey{benchLift, w.name}] = milliseconds(shaped.lift)
			if w.bare != nil {
				values[benchKey{benchApply, benchFloor}] = milliseconds(shaped.applyFloor)
				values[benchKey{benchLift, benchFloor}] = milliseconds(shaped.liftFloor)
			}
		}
	}
	for name := range means {
		mean, tail := means[benchDirect], tails[benchDirect]
		if name == benchDirect {
			mean, tail = benchDelay, benchDelay
		}
		values[benchKey{benchLate(n), name}] = 1e3 * (means[name] - mean).Seconds()
		values[benchKey{benchTail(n), name}] = 1e3 * (tails[name] - tail).Seconds()
	}
	return nil
}

// BenchServer is the server that every way of [BenchFaults] leads to. It writes
// its address to out and serves until stdin ends.
func BenchServer(ctx context.Context, stdin io.Reader, out io.Writer) error {
	return serveBench(ctx, stdin, out)
}
