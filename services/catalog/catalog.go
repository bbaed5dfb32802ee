// Package catalog is the shop's catalogue: products and their prices, a few of
// them scarce and popular. It keeps them in PostgreSQL and answers from a
// copy in memory that is at most two seconds old; when the store does not
// answer it goes on with the last good copy and says so. [Run] runs it.
package catalog

import (
	"cmp"
	"context"
	"embed"
	"fmt"
	"strconv"
	"time"

	"google.golang.org/grpc"

	"github.com/bedlamlab/bedlam/services/catalog/catalogpb"
	"github.com/bedlamlab/bedlam/services/internal/serve"
	"github.com/bedlamlab/bedlam/topology"
)

//go:embed migrations/*.sql
var files embed.FS

const (
	// defaultTTL is how old a copy may be before the store is asked again. It
	// is the longest for which a changed price goes unseen.
	defaultTTL = 2 * time.Second
	// defaultStaleLimit is how long the shop may go on with prices that it
	// cannot check: longer than a store takes to be restarted or failed over,
	// shorter than a day's price list lives.
	defaultStaleLimit = 5 * time.Minute
	// defaultProducts is a shop of a size in which popularity matters.
	defaultProducts = 1000
)

// Run serves the catalogue until ctx is done. Settings: products (how many
// are made at the first start), seed (of what they are), cache_ttl,
// stale_limit.
func Run(ctx context.Context, a topology.Assignment) error {
	return serve.Run(ctx, a, serve.Service{Name: "catalog", Migrations: files, Register: register})
}

func register(ctx context.Context, e *serve.Env, s *grpc.Server) error {
	count, err := strconv.Atoi(cmp.Or(e.Setting("products"), strconv.Itoa(defaultProducts)))
	if err != nil || count < 1 || count > maxProducts {
		return fmt.Errorf("setting products: want 1 to %d, got %q", maxProducts, e.Setting("products"))
	}
	seed, err := strconv.ParseUint(cmp.Or(e.Setting("seed"), "1"), 10, 64)
	if err != nil {
		return fmt.Errorf("setting seed: %w", err)
	}
	ttl, err := clock(e, "cache_ttl", defaultTTL)
	if err != nil {
		return err
	}
	limit, err := clock(e, "stale_limit", defaultStaleLimit)
	if err != nil {
		return err
	}
	store := store{e.DB}
	if err := store.fill(ctx, generate(seed, count)); err != nil {
		return fmt.Errorf("filling the catalogue: %w", err)
	}
	catalogpb.RegisterCatalogServer(s, &server{cache: newCache(store.all, ttl, limit, e.Log)})
	return nil
}

func clock(e *serve.Env, name string, usual time.Duration) (time.Duration, error) {
	text := e.Setting(name)
	if text == "" {
		return usual, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("setting %s: want a time above 0 such as %s, got %q", name, usual, text)
	}
	return d, nil
}
