package catalog

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bedlamlab/bedlam/services/catalog/catalogpb"
	"github.com/bedlamlab/bedlam/services/internal/call"
)

const (
	// loadPatience is how long a request waits for a new copy when there is
	// an old one: half of the 300 ms that callers give an attempt.
	loadPatience = 150 * time.Millisecond
	// loadLimit bounds a load, which goes on after requests have stopped
	// waiting for it.
	loadLimit = time.Second
	// loadPause follows a load that failed: without it every request would
	// spend its patience on a store that is known to be away.
	loadPause = 500 * time.Millisecond
)

// cache holds one copy of the whole catalogue: a thousand products are a few
// hundred kilobytes, and a copy that is complete can answer everything when
// the store is away.
//
//	age:   0 ──────── ttl ─────────────── stale limit ─────▶
//	       answer      load, answer new    load, or fail
//	                   or else old (stale)
type cache struct {
	load       func(context.Context) ([]*catalogpb.Product, error)
	ttl, limit time.Duration
	log        *slog.Logger
	flight     singleflight.Group

	mu     sync.Mutex
	copy   *snapshot // nil before the first load
	failed time.Time // when the last load failed; zero after one that did not
}

// snapshot is the catalogue as it was at one time. It is never changed.
type snapshot struct {
	at         time.Time
	products   []*catalogpb.Product
	bySKU      map[string]*catalogpb.Product
	byCategory map[string][]*catalogpb.Product
}

func newCache(load func(context.Context) ([]*catalogpb.Product, error), ttl, limit time.Duration, log *slog.Logger) *cache {
	return &cache{load: load, ttl: ttl, limit: limit, log: log}
}

// get returns a copy and whether it is stale: older than its time because the
// store did not give a new one.
func (c *cache) get(ctx context.Context) (s *snapshot, stale bool, err error) {
	c.mu.Lock()
	s, failed := c.copy, c.failed
	c.mu.Unlock()
	usable := s != nil && time.Since(s.at) < c.limit
	switch {
	case s != nil && time.Since(s.at) < c.ttl:
		return s, false, nil
	case usable && time.Since(failed) < loadPause:
		call.Fallback(ctx, "postgres")
		return s, true, nil
	}
	done := c.flight.DoChan("", func() (any, error) { return c.refresh(ctx) })
	var impatient <-chan time.Time // without a copy there is nothing to be impatient for
	if usable {
		timer := time.NewTimer(loadPatience)
		defer timer.Stop()
		impatient = timer.C
	}
	select {
	case r := <-done:
		if r.Err == nil {
			return r.Val.(*snapshot), false, nil
		}
		err = r.Err
	case <-impatient:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if usable {
		call.Fallback(ctx, "postgres")
		return s, true, nil
	}
	return nil, false, fmt.Errorf("there is no copy young enough to go on with: %w", unavailable(err))
}

// refresh loads a new copy, in the trace of the request that happened to ask
// first, but not bound to its life.
func (c *cache) refresh(ctx context.Context) (*snapshot, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadLimit)
	defer cancel()
	at := time.Now() // before the load: a copy is as old as its oldest row may be
	products, err := c.load(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		if c.failed.IsZero() {
			c.log.WarnContext(ctx, "the store does not answer, going on with the last copy", "error", err)
		}
		c.failed = time.Now()
		return nil, err
	}
	if !c.failed.IsZero() {
		c.log.InfoContext(ctx, "the store answers again")
	}
	c.failed = time.Time{}
	c.copy = newSnapshot(at, products)
	return c.copy, nil
}

func newSnapshot(at time.Time, products []*catalogpb.Product) *snapshot {
	s := &snapshot{at: at, products: products,
		bySKU:      make(map[string]*catalogpb.Product, len(products)),
		byCategory: map[string][]*catalogpb.Product{}}
	for _, p := range products {
		s.bySKU[p.Sku] = p
		s.byCategory[p.Category] = append(s.byCategory[p.Category], p)
	}
	return s
}

// unavailable makes callers ask another replica: its copy may be younger.
func unavailable(err error) error { return status.Error(codes.Unavailable, err.Error()) }
