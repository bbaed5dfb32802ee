package loadgen

import (
	"context"
	"fmt"
	"hash/fnv"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bedlamlab/bedlam/loadgen/internal/http1"
	"github.com/bedlamlab/bedlam/observability/collector"
)

// A Gateway is one way into the shop.
type Gateway struct {
	Instance string // its name, gateway-1
	Address  string // host:port, as the loader reaches it
}

// A Config says what load to make.
type Config struct {
	Run      string  // begins every cart and idempotency key; letters, digits and . _ -
	Seed     uint64  // decides arrivals and journeys
	Rate     float64 // journeys a second, more than 0
	Arrivals string  // poisson (the default) or constant
	Gateways []Gateway
	// Timeout is how long a customer waits for an answer once the request is
	// sent; 0: 3 s, as the loader→gateway edge of the shop's topology has it.
	Timeout time.Duration
	// Start is what the times of requests count from; the zero value is now.
	// Journeys arrive from Start on, or from now if that is past.
	Start    time.Time
	Recorder Recorder // takes every request that is done; may be nil
	// Span takes a client span for every request, after it is done; it must
	// not block. May be nil.
	Span func(collector.Span)
	// Products are the catalogue's SKUs, most popular first. Empty: the shop is
	// asked, and SKUs rank in their own order.
	Products []string
	// InFlight bounds the requests without an answer; one more waits for its
	// turn, which counts as the generator's lag. 0: 4096, ten times what the
	// default rate of 40 journeys a second (about 140 requests) leaves open
	// when nothing answers for 3 s.
	InFlight int
	// Dial makes a connection to a gateway. Nil: TCP.
	Dial func(ctx context.Context, address string) (net.Conn, error)
}

// A Generator makes load until it is told to stop.
type Generator struct {
	config    Config // with its defaults
	runSeed   uint64
	zero      time.Time // the time that is 0
	plan      *Planner
	scarce    string // the product that a flash sale is of
	customers *crowd

	board *board
	under atomic.Int64 // journeys, of surges too

	quit     <-chan struct{} // the context of Start is done: no further request
	stop     chan struct{}   // no journey that is due after stopAt
	stopAt   atomic.Int64
	stopOnce sync.Once
	journeys sync.WaitGroup
	idle     sync.Pool // of *shopper

	mu     sync.Mutex // of what follows; held while journeys are let begin, or not
	surges map[string]*surge
	closed bool // no further surge
}

// Start asks the shop for its catalogue, unless Config names the products, and
// begins to make load. The error says which setting is wrong or why the
// catalogue could not be read. When ctx is done, no further request is made;
// those without an answer are still waited for and recorded.
func Start(ctx context.Context, c Config) (*Generator, error) {
	g, err := prepare(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("start load: %w", err)
	}
	go g.customers.pace(max(0, g.now()))
	return g, nil
}

func prepare(ctx context.Context, c Config) (*Generator, error) {
	switch {
	case !word(c.Run):
		return nil, fmt.Errorf("run %q: want 1 to 100 letters, digits, dots, dashes and underscores", c.Run)
	case len(c.Gateways) == 0:
		return nil, fmt.Errorf("no gateways are named")
	case c.Timeout < 0:
		return nil, fmt.Errorf("timeout %v: want more than 0", c.Timeout)
	case c.InFlight < 0:
		return nil, fmt.Errorf("at most %d requests in flight: want more than 0", c.InFlight)
	}
	if c.Arrivals == "" {
		c.Arrivals = Poisson
	}
	if c.Timeout == 0 {
		c.Timeout = 3 * time.Second
	}
	if c.InFlight == 0 {
		c.InFlight = 4096
	}
	arrivals, err := NewArrivals(c.Arrivals, c.Seed, c.Rate)
	if err != nil {
		return nil, err
	}
	for _, w := range c.Gateways {
		if _, _, err := net.SplitHostPort(w.Address); err != nil {
			return nil, fmt.Errorf("gateway %s: %w", w.Instance, err)
		}
	}
	h := fnv.New64a()
	h.Write([]byte(c.Run))
	g := &Generator{config: c, runSeed: h.Sum64(), board: newBoard(),
		quit: ctx.Done(), stop: make(chan struct{}), surges: map[string]*surge{}}
	g.idle.New = func() any { return &shopper{} }
	g.customers = g.crowd(c.Gateways)
	g.customers.begins, g.customers.seed, g.customers.arrivals = c.Run+"-", c.Seed, arrivals
	skus := c.Products
	if len(skus) == 0 {
		if skus, err = g.catalogue(ctx); err != nil {
			g.customers.client.Close()
			return nil, err
		}
	}
	for _, sku := range skus {
		if !word(sku) {
			return nil, fmt.Errorf("product %q: want letters, digits, dots, dashes and underscores", sku)
		}
	}
	if g.plan, err = NewPlanner(c.Seed, skus); err != nil {
		return nil, err
	}
	if g.scarce == "" {
		g.scarce = skus[0]
	}
	g.customers.script = g.plan.Script
	// A Start that has been stored has lost its monotonic clock; the time of
	// this process has one, and a step of the wall clock must not show.
	now := time.Now()
	g.zero = now
	if !c.Start.IsZero() {
		g.zero = now.Add(-now.Sub(c.Start))
	}
	return g, nil
}

// crowd returns one that asks some gateways and knows nothing else yet.
func (g *Generator) crowd(gateways []Gateway) *crowd {
	peers := make([]http1.Peer, len(gateways))
	for i, w := range gateways {
		peers[i] = http1.Peer{Instance: w.Instance, Address: w.Address}
	}
	c := &crowd{g: g, client: http1.New(peers, http1.Options{Dial: g.config.Dial}), peers: len(peers), timeout: g.config.Timeout,
		slots: make(chan struct{}, g.config.InFlight), paced: make(chan struct{})}
	c.next.Store(-1)
	return c
}

// now is the time of the run.
func (g *Generator) now() time.Duration { return time.Since(g.zero) }

// StopArrivals lets no journey begin that is not due yet, of customers or of a
// surge; when it returns, no further one will. Those under way go on.
func (g *Generator) StopArrivals() {
	g.stopOnce.Do(func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.closed = true
		g.stopAt.Store(int64(g.now()))
		close(g.stop)
	})
	<-g.customers.paced
	for _, s := range g.surges { // no further one is begun
		<-s.paced
	}
}

// Drain stops the arrivals, waits until the last journey under way has ended
// and closes the connections. The error says how many were left when ctx was
// done; they end by themselves, since each request has a deadline.
func (g *Generator) Drain(ctx context.Context) error {
	g.StopArrivals()
	done := make(chan struct{})
	go func() {
		g.journeys.Wait()
		g.customers.client.Close()
		for _, s := range g.surges {
			s.client.Close()
		}
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("drain the load: %d journeys are still under way: %w", g.under.Load(), ctx.Err())
	}
}
