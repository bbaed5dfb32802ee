package bedlam

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/services"
	"github.com/bedlamlab/bedlam/topology"
)

const (
	// benchRequests is how many requests each way of the relay's comparison
	// takes: enough for a median that a scheduler's hiccup does not move.
	benchRequests = 500
	// benchBuyers buy at the same time for benchBuying: twice the cores of the
	// smallest machine that the shop is made for, so that it is never idle.
	benchBuyers = 4
	benchBuying = 5 * time.Second
	// benchVictim is killed: it keeps nothing and nobody waits for it.
	benchVictim = "recommend-1"
)

// An EngineFigure is one thing measured on every engine.
type EngineFigure struct {
	Name   string
	Unit   string
	Values map[string][]float64 // by engine, one for each round
}

// An EnginesBenchmark compares the engines in rounds that take turns, so that
// what else the machine does falls on all of them.
type EnginesBenchmark struct {
	Machine chaos.Machine
	Rounds  int
	Engines []string
	Figures []EngineFigure
}

// BenchEngines measures the shop on every engine in turn, for so many rounds.
func BenchEngines(ctx context.Context, o Options, rounds int) (EnginesBenchmark, error) {
	o, err := o.withDefaults()
	if err != nil {
		return EnginesBenchmark{}, err
	}
	if rounds < 1 {
		return EnginesBenchmark{}, usage("%d rounds: want at least 1", rounds)
	}
	if err := healFor(ctx, o, Engines()...); err != nil {
		return EnginesBenchmark{}, err
	}
	b := EnginesBenchmark{Machine: Machine(), Rounds: rounds, Engines: Engines()}
	for round := range rounds {
		turn := slices.Clone(b.Engines)
		if round%2 == 1 {
			slices.Reverse(turn) // whoever comes second finds other caches
		}
		for _, name := range turn {
			o.Observe(Status{Step: fmt.Sprintf("round %d of %d: %s", round+1, rounds, name)})
			o.Engine = name
			if err := b.round(ctx, o); err != nil {
				return b, fmt.Errorf("round %d on %s: %w", round+1, name, err)
			}
		}
	}
	return b, nil
}

func (b *EnginesBenchmark) note(engine, name, unit string, v float64) {
	at := slices.IndexFunc(b.Figures, func(f EngineFigure) bool { return f.Name == name })
	if at < 0 {
		at = len(b.Figures)
		b.Figures = append(b.Figures, EngineFigure{Name: name, Unit: unit, Values: map[string][]float64{}})
	}
	b.Figures[at].Values[engine] = append(b.Figures[at].Values[engine], v)
}

func (b *EnginesBenchmark) round(ctx context.Context, o Options) (err error) {
	folder, err := os.MkdirTemp("", "bedlam-bench-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	began := time.Now()
	s, err := open(ctx, o, runID(began), folder, services.Shop())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close(context.WithoutCancel(ctx))) }()
	note := func(name, unit string, v float64) { b.note(o.Engine, name, unit, v) }
	note("start to first answer", "s", time.Since(began).Seconds())
	refused, ready, err := killed(ctx, s.system)
	if err != nil {
		return err
	}
	note("kill to refused", "ms", 1e3*refused.Seconds())
	note("kill to ready again (1 s of it is the supervisor's pause)", "s", ready.Seconds())
	if m, err := instanceMemory(ctx, s.system); err != nil {
		return err
	} else if m > 0 {
		note("memory of a service's instance, PSS with what holds it", "MB", m/1e6)
	}
	relayed, direct, err := relayCost(ctx, s.system)
	if err != nil {
		return err
	}
	note("a request past the relay, p50", "µs", 1e6*direct.Seconds())
	note("what the relay adds, p50", "µs", 1e6*(relayed-direct).Seconds())
	rate, err := checkouts(ctx, s)
	if err != nil {
		return err
	}
	note(fmt.Sprintf("checkouts of %d buyers at a time", benchBuyers), "/s", rate)
	return nil
}

// killed kills an instance and returns how long its callers were not refused,
// and how long it was away.
func killed(ctx context.Context, system deploy.System) (refused, ready time.Duration, err error) {
	killer, err := deploy.Power[deploy.Killer](system)
	if err != nil {
		return 0, 0, err
	}
	inspector, err := deploy.Power[deploy.Inspector](system)
	if err != nil {
		return 0, 0, err
	}
	address, err := system.Address("gateway-1", benchVictim)
	if err != nil {
		return 0, 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, welcomeMost)
	defer cancel()
	before, err := inspector.Inspect(ctx, benchVictim)
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	done := make(chan error, 1)
	go func() { done <- killer.Kill(ctx, benchVictim) }()
	for {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if errors.Is(err, syscall.ECONNREFUSED) {
			break
		}
		if err == nil {
			c.Close()
		} else if !errors.Is(err, syscall.ECONNRESET) { // accepted by a listener that was about to close
			return 0, 0, errors.Join(err, <-done)
		}
		time.Sleep(time.Millisecond) // what is asked for is done elsewhere
	}
	refused = time.Since(began)
	if err := <-done; err != nil {
		return 0, 0, err
	}
	for {
		state, err := inspector.Inspect(ctx, benchVictim)
		if err != nil {
			return 0, 0, err
		}
		if state.Ready && state.Starts > before.Starts {
			return refused, time.Since(began), nil
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// instanceMemory is the mean of the services' instances, in bytes, together
// with the shim that a container has beside it; 0 where this system does not
// tell.
func instanceMemory(ctx context.Context, system deploy.System) (float64, error) {
	inspector, err := deploy.Power[deploy.Inspector](system)
	if err != nil {
		return 0, err
	}
	t := system.Topology()
	var sum float64
	n := 0
	for _, in := range t.Instances() {
		if v, _ := t.Service(in.Service); v.Protocol == topology.Postgres {
			continue
		}
		state, err := inspector.Inspect(ctx, in.Name)
		if err != nil {
			return 0, err
		}
		own, err := pssOf(state.PID)
		if err != nil || own == 0 {
			return 0, err
		}
		shim, err := pssOf(shimOf(state.PID))
		if err != nil {
			return 0, err
		}
		sum, n = sum+float64(own+shim), n+1
	}
	return sum / float64(n), nil
}

// shimOf returns the process that holds a container's first process; 0 if
// nobody does.
func shimOf(pid int) int {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0
	}
	// The name, in brackets, may hold anything; the state and the parent follow.
	f := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(f) < 2 {
		return 0
	}
	name, err := os.ReadFile(filepath.Join("/proc", f[1], "comm"))
	if err != nil || !strings.HasPrefix(string(name), "containerd-shim") {
		return 0
	}
	parent, _ := strconv.Atoi(f[1])
	return parent
}

// relayCost returns the median time of a request through the relay and past
// it, asked in turns.
func relayCost(ctx context.Context, system deploy.System) (relayed, direct time.Duration, err error) {
	const gateway = "gateway-1"
	ways := []string{topology.Loader + "-1", ""}
	clients := make([]*http.Client, len(ways))
	urls := make([]string, len(ways))
	took := make([][]time.Duration, len(ways))
	for i, caller := range ways {
		address, err := system.Address(caller, gateway)
		if err != nil {
			return 0, 0, err
		}
		urls[i] = "http://" + address + "/healthz"
		transport := &http.Transport{} // a connection of its own, kept
		defer transport.CloseIdleConnections()
		clients[i] = &http.Client{Transport: transport, Timeout: welcomeMost}
	}
	for range benchRequests {
		for i := range ways {
			q, err := http.NewRequestWithContext(ctx, http.MethodGet, urls[i], nil)
			if err != nil {
				return 0, 0, err
			}
			began := time.Now()
			a, err := clients[i].Do(q)
			if err != nil {
				return 0, 0, err
			}
			_, err = io.Copy(io.Discard, a.Body)
			a.Body.Close()
			if err != nil {
				return 0, 0, err
			}
			took[i] = append(took[i], time.Since(began))
		}
	}
	return median(took[0]), median(took[1]), nil
}

// checkouts returns how many a second succeed.
func checkouts(ctx context.Context, s *session) (float64, error) {
	gateways, err := s.gateways()
	if err != nil {
		return 0, err
	}
	if err := firstCheckout(ctx, gateways[0].Address, s.run); err != nil {
		return 0, fmt.Errorf("the first checkout: %w", err)
	}
	var bought atomic.Int64
	var group sync.WaitGroup
	began := time.Now()
	for n := range benchBuyers {
		group.Go(func() {
			for i := 0; time.Since(began) < benchBuying && ctx.Err() == nil; i++ {
				if code, err := buy(ctx, gateways[n%len(gateways)].Address, fmt.Sprintf("%s-%d-%d", s.run, n, i)); err == nil && code == http.StatusCreated {
					bought.Add(1)
				}
			}
		})
	}
	group.Wait()
	return float64(bought.Load()) / time.Since(began).Seconds(), ctx.Err()
}

// String prints the median of each figure and the ratio of the engines.
func (b EnginesBenchmark) String() string {
	var t strings.Builder
	fmt.Fprintf(&t, "%s, medians of %d rounds in turns\n", words(b.Machine), b.Rounds)
	fmt.Fprintf(&t, "%-60s", "")
	for _, e := range b.Engines {
		fmt.Fprintf(&t, "%12s", e)
	}
	first, last := b.Engines[0], b.Engines[len(b.Engines)-1]
	fmt.Fprintf(&t, "   %s : %s\n", first, last)
	for _, f := range b.Figures {
		fmt.Fprintf(&t, "%-60s", f.Name+", "+f.Unit)
		for _, e := range b.Engines {
			if len(f.Values[e]) == 0 {
				fmt.Fprintf(&t, "%12s", "–")
				continue
			}
			fmt.Fprintf(&t, "%12.4g", median(f.Values[e]))
		}
		if a, z := f.Values[first], f.Values[last]; len(a) > 0 && len(z) > 0 && median(z) > 0 {
			fmt.Fprintf(&t, "   %.2f", median(a)/median(z))
		}
		t.WriteByte('\n')
	}
	return t.String()
}

// median returns the middle one, or the lower of the two in the middle.
func median[V time.Duration | float64](all []V) V {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[(len(sorted)-1)/2]
}
