package inventory

import (
	"context"
	"log/slog"
	"time"

	"github.com/bedlamlab/bedlam/services/internal/serve"
)

// reap is how many reservations one statement ends: their stock rows stay
// locked meanwhile, and a hundred take a few milliseconds.
const reap = 100

// Intervals between two looks: a twentieth of the time a reservation is held,
// so that stock comes back about when it should, within what a database
// neither notices nor waits long for.
const (
	shortestLook = 50 * time.Millisecond
	longestLook  = time.Second
)

// A Reaper ends reservations that are over their time. One for each replica is
// fine: they skip what the other is ending.
type Reaper struct {
	store *Store
	log   *slog.Logger
	every time.Duration
}

// NewReaper returns a reaper of the reservations of s.
func NewReaper(s *Store, log *slog.Logger) *Reaper {
	return &Reaper{store: s, log: log, every: min(max(s.ttl/20, shortestLook), longestLook)}
}

// Once ends every reservation that is over its time and returns how many.
func (r *Reaper) Once(ctx context.Context) (ended int, err error) {
	for {
		n, err := r.store.Expire(ctx, reap)
		ended += n
		if err != nil || n < reap {
			return ended, err
		}
	}
}

// Run calls Once again and again until ctx is done. A database that is away
// is logged and waited for.
func (r *Reaper) Run(ctx context.Context) error {
	return serve.Every(ctx, r.every, r.log, "reservations expired", r.Once)
}
