package checkout

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/bedlamlab/bedlam/services/checkout/checkoutpb"
)

// Why a saga that this replica held was let go.
var (
	errLost     = errors.New("another replica has taken the saga over")
	errDraining = errors.New("the replica is draining")
)

// held is a saga that this replica is driving.
type held struct {
	id     string
	epoch  int64
	cancel context.CancelCauseFunc

	decided chan struct{} // closed when the customer's answer is known
	placed  *checkoutpb.Placed
	over    chan struct{} // closed when this replica has let go of it

	mu    sync.Mutex
	until time.Time // before this time nobody else has taken it over
}

// extend moves the end of the lease; it is counted from before the statement
// was sent, so that it never lies behind the store's own idea of it.
func (h *held) extend(until time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if until.After(h.until) {
		h.until = until
	}
}

// left is how long the lease still holds.
func (h *held) left() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Until(h.until)
}

// settle tells those who wait in this replica.
func (h *held) settle(s *saga) {
	select {
	case <-h.decided:
	default:
		h.placed = s.placed()
		close(h.decided)
	}
}

// hold takes a saga in. If an earlier hold of the same saga is still there, its
// lease ran out and we have taken it over from ourselves: it is stopped.
func (d *driver) hold(h *held) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if before, ok := d.holds[h.id]; ok {
		before.cancel(errLost)
	}
	d.holds[h.id] = h
}

func (d *driver) drop(h *held) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.holds[h.id] == h {
		delete(d.holds, h.id)
	}
	close(h.over)
}

// holding returns the hold of a saga, or nil.
func (d *driver) holding(id string) *held {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.holds[id]
}

func (d *driver) all() []*held {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]*held, 0, len(d.holds))
	for _, h := range d.holds {
		all = append(all, h)
	}
	return all
}
