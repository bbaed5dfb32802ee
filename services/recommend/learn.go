package recommend

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"

	"github.com/bedlamlab/bedlam/services/catalog/catalogpb"
)

const (
	// relearn is how old a model becomes. Products change over days; half a
	// minute is for those who watch.
	relearn = 30 * time.Second
	// firstWait and lastWait bracket the back-off while the catalogue is away.
	firstWait = 100 * time.Millisecond
	lastWait  = 2 * time.Second
	// lessonLimit bounds one reading of the whole catalogue: ten pages of
	// which each takes a few milliseconds, and a few retries.
	lessonLimit = 5 * time.Second
	// page is the largest that the catalogue gives.
	page = 100
)

// holder holds the model in use; empty before the first.
type holder struct{ atomic.Pointer[model] }

// learn keeps the model fresh until ctx is done. While the catalogue does not
// answer, the last model stays.
func learn(ctx context.Context, catalog catalogpb.CatalogClient, into *holder, log *slog.Logger) {
	wait := firstWait
	for ctx.Err() == nil {
		products, err := lesson(ctx, catalog)
		switch {
		case err == nil:
			into.Store(newModel(products))
			// Spread, so that replicas which started together do not ask together.
			wait = relearn/2 + rand.N(relearn)
		case into.Load() == nil:
			wait = min(max(2*wait, firstWait), lastWait)
			log.WarnContext(ctx, "no model yet, the catalogue does not answer", "error", err, "again_in", wait.String())
		default:
			wait = lastWait
			log.WarnContext(ctx, "the model stays as it is, the catalogue does not answer", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// lesson reads the whole catalogue.
func lesson(ctx context.Context, catalog catalogpb.CatalogClient) ([]*catalogpb.Product, error) {
	ctx, cancel := context.WithTimeout(ctx, lessonLimit)
	defer cancel()
	ctx, span := otel.Tracer("github.com/bedlamlab/bedlam/services/recommend").Start(ctx, "learn")
	defer span.End()
	var all []*catalogpb.Product
	for {
		answer, err := catalog.List(ctx, &catalogpb.ListRequest{Offset: int32(len(all)), Limit: page})
		if err != nil {
			return nil, fmt.Errorf("reading the catalogue from %d on: %w", len(all), err)
		}
		all = append(all, answer.GetProducts()...)
		if len(answer.GetProducts()) == 0 || len(all) >= int(answer.GetTotal()) {
			return all, nil
		}
	}
}
