package bedlam

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/loadgen"
	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/services"
)

// A Benchmark is what the whole shop costs on this machine. The budgets are
// the product's own; they gate no test.
type Benchmark struct {
	Machine chaos.Machine
	Up      time.Duration // from the command to the first successful checkout
	Ready   time.Duration // from the command to the first page of every gateway
	PSS     uint64        // bytes: services, relay, both PostgreSQL and this process with the collector, under DefaultRate
	RateP99 float64       // the highest journeys a second that hold p99 under Latency, everything traced
	Latency time.Duration
	Why     string // why RateP99 is not higher, if the generator was the limit
}

const (
	// benchLatency is the limit of the rate that is looked for.
	benchLatency = 50 * time.Millisecond
	// benchSettle is the load before memory is read: pools are full by then,
	// and the collector has got its first ten seconds.
	benchSettle = 10 * time.Second
)

// Bench measures the shop as `bedlam up` starts it.
func Bench(ctx context.Context, o Options) (b Benchmark, err error) {
	if o, err = o.withDefaults(); err != nil {
		return b, err
	}
	if err := healFor(ctx, o, o.Engine); err != nil {
		return b, err
	}
	folder, err := os.MkdirTemp("", "bedlam-bench-*")
	if err != nil {
		return b, err
	}
	defer os.RemoveAll(folder)
	b = Benchmark{Machine: Machine(), Latency: benchLatency}
	began := time.Now()
	s, err := open(ctx, o, runID(began), folder, services.Shop())
	if err != nil {
		return b, err
	}
	defer func() { err = errors.Join(err, s.close(context.WithoutCancel(ctx))) }()
	b.Ready = time.Since(began)
	gateways, err := s.gateways()
	if err != nil {
		return b, err
	}
	if err := firstCheckout(ctx, gateways[0].Address, s.run); err != nil {
		return b, fmt.Errorf("the first checkout: %w", err)
	}
	b.Up = time.Since(began)
	o.Observe(Status{Step: fmt.Sprintf("load of %d journeys/s for %s", DefaultRate, benchSettle)})
	g, err := s.load(ctx, o, time.Now(), nil)
	if err != nil {
		return b, err
	}
	select {
	case <-time.After(benchSettle):
	case <-ctx.Done():
		return b, ctx.Err()
	}
	if o.Engine == "process" { // containers stand in no folder of ours; see bench engines
		b.PSS, err = pss(s.scratch)
	}
	g.StopArrivals()
	if err := errors.Join(err, g.Drain(ctx)); err != nil {
		return b, err
	}
	o.Observe(Status{Step: fmt.Sprintf("looking for the rate that holds p99 under %s", benchLatency)})
	b.RateP99, err = loadgen.Saturate(ctx, loadgen.Config{Run: s.run + "-s", Seed: o.Seed, Arrivals: o.Arrivals, Gateways: gateways,
		Span: func(span collector.Span) { s.collector.Add(span) }}, DefaultRate/2, 16*DefaultRate, benchLatency)
	if errors.Is(err, loadgen.ErrGenerator) {
		b.Why, err = err.Error(), nil
	}
	return b, err
}

// String prints the figures beside their budgets.
func (b Benchmark) String() string {
	var t strings.Builder
	fmt.Fprintln(&t, words(b.Machine))
	fmt.Fprintf(&t, "shop up, first page of every gateway       %6.2f s\n", b.Ready.Seconds())
	fmt.Fprintf(&t, "shop up, first successful checkout         %6.2f s     budget  5 s\n", b.Up.Seconds())
	if b.PSS > 0 {
		fmt.Fprintf(&t, "whole shop at %d journeys/s, PSS           %6.0f MB    budget  500 MB\n", DefaultRate, float64(b.PSS)/1e6)
	} else {
		fmt.Fprintf(&t, "whole shop, PSS                                 –        this system or engine does not tell\n")
	}
	fmt.Fprintf(&t, "journeys/s with p99 under %s, all traced %6.0f        budget  at least 100\n", b.Latency, b.RateP99)
	if b.Why != "" {
		fmt.Fprintf(&t, "  (%s)\n", b.Why)
	}
	return t.String()
}

// words says which machine it was, and when.
func words(m chaos.Machine) string {
	return fmt.Sprintf("%s/%s, %d CPUs, %.0f GiB, %s, %s", m.OS, m.Arch, m.CPUs, float64(m.Memory)/(1<<30),
		runtime.Version(), time.Now().UTC().Format("2006-01-02 15:04 UTC"))
}

// firstCheckout buys one thing as soon as it can be bought: the gateway serves
// pages already, but what is behind the checkout may still be waiting out the
// back-off of a connection.
func firstCheckout(ctx context.Context, address, run string) error {
	deadline := time.Now().Add(welcomeMost)
	for n := 0; ; n++ {
		code, err := buy(ctx, address, fmt.Sprintf("%s-first-%d", run, n))
		if err == nil && code == http.StatusCreated {
			return nil
		}
		if time.Now().After(deadline) {
			return errors.Join(err, fmt.Errorf("status %d", code))
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// buy puts one thing into a new cart and buys it. It returns the status of the
// last answer.
func buy(ctx context.Context, address, cart string) (int, error) {
	post := func(path, key string, body any) (int, error) {
		b, err := json.Marshal(body)
		if err != nil {
			return 0, err
		}
		q, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+path, bytes.NewReader(b))
		if err != nil {
			return 0, err
		}
		q.Header.Set("Content-Type", "application/json")
		q.Header.Set("Idempotency-Key", cart+"-"+key)
		a, err := http.DefaultClient.Do(q)
		if err != nil {
			return 0, err
		}
		defer a.Body.Close()
		_, err = io.Copy(io.Discard, a.Body)
		return a.StatusCode, err
	}
	code, err := post("/api/carts/"+cart+"/items", "add", map[string]any{"sku": "P00001", "quantity": 1})
	if err != nil || code >= 300 {
		return code, err
	}
	return post("/api/checkout", "buy", map[string]any{"cart": cart, "customer": "bench", "card": "tok-bench"})
}

// pss sums the proportional set size (proc(5), smaps_rollup) of this process
// and of every process that stands below scratch; 0 where there is no /proc.
func pss(scratch string) (uint64, error) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return 0, err
	}
	var sum uint64
	for _, d := range dirs {
		cwd, err := os.Readlink(filepath.Join(d, "cwd"))
		own := filepath.Base(d) == strconv.Itoa(os.Getpid())
		if !own && (err != nil || cwd != scratch && !strings.HasPrefix(cwd, scratch+"/")) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(d))
		if err != nil {
			return 0, err
		}
		one, err := pssOf(pid)
		if err != nil {
			return 0, err
		}
		sum += one
	}
	return sum, nil
}

// pssOf returns a process's proportional set size in bytes; 0 if it has ended,
// may not be looked at, or where there is no /proc.
func pssOf(pid int) (uint64, error) {
	path := filepath.Join("/proc", strconv.Itoa(pid), "smaps_rollup")
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, nil
	}
	for _, line := range strings.Split(string(b), "\n") {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == "Pss:" {
			kb, err := strconv.ParseUint(f[1], 10, 64)
			if err != nil {
				return 0, fmt.Errorf("%s: %w", path, err)
			}
			return kb * 1024, nil
		}
	}
	return 0, nil
}
