package checkout

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bedlamlab/bedlam/services/checkout/checkoutpb"
	"github.com/bedlamlab/bedlam/services/internal/answer"
)

const (
	// answerLimit is how long a customer waits for the end of a saga: beyond
	// two seconds "we are on it" is the better answer.
	answerLimit = 2 * time.Second
	// margin is kept of the caller's deadline, for the answer's way back.
	margin = 150 * time.Millisecond
	// firstPoll and lastPoll bracket the looks at a saga that another replica drives.
	firstPoll = 20 * time.Millisecond
	lastPoll  = 200 * time.Millisecond
	// maxHolds is how many sagas a replica drives at once: at 40 checkouts a
	// second six seconds' worth, that is more than customers wait for.
	maxHolds = 256
)

// server answers over gRPC.
type server struct {
	checkoutpb.UnimplementedCheckoutServer
	driver *driver
}

// Place implements [checkoutpb.CheckoutServer].
//
//   - INVALID_ARGUMENT: a field is wrong, or the key stands for another checkout.
//   - RESOURCE_EXHAUSTED, UNAVAILABLE, DEADLINE_EXCEEDED: there is no order, as
//     far as this replica knows; the same key may be tried again in any case.
func (s *server) Place(ctx context.Context, r *checkoutpb.PlaceRequest) (*checkoutpb.Placed, error) {
	until := time.Now().Add(answerLimit)
	if deadline, ok := ctx.Deadline(); ok && deadline.Add(-margin).Before(until) {
		until = deadline.Add(-margin)
	}
	want := request{key: r.GetKey(), cart: r.GetCart(), customer: r.GetCustomer(), card: r.GetCard()}
	if err := want.validate(); err != nil {
		return nil, err
	}
	found, err := s.driver.store.find(ctx, want.key)
	if err == nil && found == nil {
		found, err = s.driver.begin(ctx, want)
	}
	if err != nil {
		return nil, err
	}
	if found.request != want {
		return nil, answer.Invalid("key", "stands for another checkout")
	}
	limit, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	return s.driver.await(limit, found)
}

// begin reads and prices the cart, writes the saga and starts it. Until the
// row is written nothing has happened. A cart that cannot be bought is written
// down too, so that the key has this answer for good.
func (d *driver) begin(ctx context.Context, r request) (*saga, error) {
	if len(d.all()) >= maxHolds {
		return nil, status.Errorf(codes.ResourceExhausted, "%d checkouts are under way here", maxHolds)
	}
	s := &saga{id: sagaOf(r.key), order: orderOf(r.key), request: r, state: running, step: stepCreate, epoch: 1, trace: traceparent(ctx)}
	var err error
	s.basket, err = d.peers.fill(ctx, r.cart)
	switch {
	case errors.Is(err, errEmpty):
		s.state, s.step, s.reason = compensated, stepRead, reasonEmptyCart
	case errors.Is(err, errGone):
		s.state, s.step, s.reason = compensated, stepRead, reasonSoldOut
	case errors.Is(err, errMixed):
		s.state, s.step, s.reason = compensated, stepRead, reasonRejected
	case err != nil:
		return nil, err
	}
	until := time.Now().Add(d.set.lease)
	begun, err := d.store.begin(ctx, s, d.owner, d.set.lease)
	switch {
	case err != nil:
		return nil, err
	case !begun: // the same key came twice at once, and the other was first
		return d.another(ctx, r.key)
	case !s.ended():
		d.start(ctx, s.copy(), until)
	}
	return s, nil
}

func (d *driver) another(ctx context.Context, key string) (*saga, error) {
	s, err := d.store.find(ctx, key)
	if err == nil && s == nil {
		return nil, status.Errorf(codes.Unavailable, "the saga of a key was there and is not")
	}
	return s, err
}

// await waits for the customer's answer until ctx is done; then the answer is
// that the saga goes on, if its order can be read by then, for that is what the
// answer says.
func (d *driver) await(ctx context.Context, s *saga) (*checkoutpb.Placed, error) {
	for poll := firstPoll; !s.decided() && ctx.Err() == nil; poll = min(2*poll, lastPoll) {
		if h := d.holding(s.id); h != nil {
			select {
			case <-h.decided:
				return h.placed, nil
			case <-h.over: // put down, lost or ended: the log knows
			case <-ctx.Done():
			}
		} else {
			rest(ctx, nil, poll)
		}
		if now, err := d.store.find(ctx, s.request.key); err == nil && now != nil {
			s = now
		}
	}
	if !s.decided() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), margin/2) // the other half is the answer's way
		defer cancel()
		if now, err := d.store.find(last, s.request.key); err == nil && now != nil {
			s = now
		}
	}
	if !s.decided() && !s.made() {
		return nil, status.Error(codes.DeadlineExceeded, "it is not known that there is an order; ask again with the same key")
	}
	return s.placed(), nil
}
