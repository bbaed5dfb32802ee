package serve

import (
	"context"
	"log/slog"
	"time"
)

// Every does some background work at each tick until ctx is done, and then
// returns nil. once says how many things it has done; done names them in the
// log. A failure, such as a store that is away, is logged and waited out until
// the next tick.
func Every(ctx context.Context, interval time.Duration, log *slog.Logger, done string, once func(context.Context) (int, error)) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		n, err := once(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			log.WarnContext(ctx, "background work failed", "work", done, "error", err)
		}
		if n > 0 {
			log.InfoContext(ctx, done, "n", n)
		}
	}
}
