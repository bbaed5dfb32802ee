package gateway

import "context"

// What the tests look at from the inside: the table of routes, the gate, and
// the parsers that are fuzzed.

type (
	Gate     = gate
	Class    = class
	Item     = item
	Purchase = purchase
)

const (
	Buying      = buying
	Browsing    = browsing
	Prefetching = prefetching
)

var (
	NewGate      = newGate
	ErrShed      = errShed
	Read         = read
	ParseListing = parseListing
	Spec         = spec
)

// Routes returns every route, "GET /cart".
func Routes() []string {
	var all []string
	for _, rt := range routes {
		all = append(all, rt.method+" "+rt.path)
	}
	return all
}

func (g *gate) Enter(ctx context.Context, c class) error { return g.enter(ctx, c) }

func (g *gate) Leave() { g.leave() }

// Waiting is how many wait in a class's line.
func (g *gate) Waiting(c class) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.lines[c])
}

// Free is how many slots are free.
func (g *gate) Free() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.free
}

func (it item) Validate() error { return it.validate() }

func (p purchase) Validate() error { return p.validate() }
