package checkout

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bedlamlab/bedlam/services/cart/cartpb"
	"github.com/bedlamlab/bedlam/services/inventory/inventorypb"
	"github.com/bedlamlab/bedlam/services/orders/orderspb"
	"github.com/bedlamlab/bedlam/services/payment/paymentpb"
)

// What payment calls the states of a charge.
const (
	chargeCaptured = "captured"
	chargeDeclined = "declined"
	chargeRefunded = "refunded"
	chargeVoid     = "void"
)

// A step asks one other service for one effect.
type step struct {
	ask func(peers, context.Context, *saga) error
	// state and next are where a yes leads.
	state, next string
	// undo is the compensating step at which a definite no, or the limit of
	// time, continues; "" if neither does, and the step is asked until it
	// succeeds.
	undo string
	// reason is why the checkout is cancelled when the step is refused.
	reason string
	// hurried steps are given up when the time for taking the money is over.
	hurried bool
	// optional steps are passed over when they are refused.
	optional bool
}

// steps is the picture in the package comment, row by row.
var steps = map[string]step{
	stepCreate:  {ask: peers.create, state: running, next: stepReserve, undo: stepUnmake, reason: reasonRejected, hurried: true},
	stepReserve: {ask: peers.reserve, state: running, next: stepCapture, undo: stepRelease, reason: reasonSoldOut, hurried: true},
	stepCapture: {ask: peers.capture, state: running, next: stepCommit, undo: stepRefund, reason: reasonDeclined, hurried: true},
	stepCommit:  {ask: peers.commit, state: running, next: stepPaid, undo: stepRefund, reason: reasonSoldOut},
	stepPaid:    {ask: peers.markPaid, state: running, next: stepClear},
	stepClear:   {ask: peers.clear, state: completed, next: stepClear, optional: true},

	stepRefund:  {ask: peers.refund, state: compensating, next: stepRelease},
	stepRelease: {ask: peers.release, state: compensating, next: stepCancel},
	stepCancel:  {ask: peers.cancel, state: compensated, next: stepCancel},
	stepUnmake:  {ask: peers.cancel, state: compensated, next: stepUnmake},
}

func (p peers) create(ctx context.Context, s *saga) error {
	r := &orderspb.CreateRequest{Order: s.order, Key: s.request.key, Customer: s.request.customer, Total: s.basket.total}
	for _, l := range s.basket.lines {
		r.Lines = append(r.Lines, &orderspb.Line{Sku: l.SKU, Quantity: l.Quantity, Price: l.Price})
	}
	_, err := p.orders.Create(ctx, r)
	return err
}

func (p peers) reserve(ctx context.Context, s *saga) error {
	r := &inventorypb.ReserveRequest{Order: s.order}
	for _, l := range s.basket.lines {
		r.Lines = append(r.Lines, &inventorypb.Line{Sku: l.SKU, Quantity: l.Quantity})
	}
	_, err := p.inventory.Reserve(ctx, r)
	return err
}

func (p peers) capture(ctx context.Context, s *saga) error {
	c, err := p.payment.Capture(ctx, &paymentpb.CaptureRequest{
		Key: s.captureKey(), Order: s.order, Amount: s.basket.total, Currency: s.basket.currency, Card: s.request.card,
	})
	if err != nil {
		return err
	}
	switch c.GetState() {
	case chargeCaptured:
		return nil
	case chargeDeclined, chargeVoid, chargeRefunded:
		return status.Errorf(codes.FailedPrecondition, "the charge is %s", c.GetState())
	}
	return unclear("the charge", c.GetState())
}

func (p peers) commit(ctx context.Context, s *saga) error {
	_, err := p.inventory.Commit(ctx, &inventorypb.ReservationRequest{Order: s.order})
	return err
}

func (p peers) markPaid(ctx context.Context, s *saga) error {
	_, err := p.orders.MarkPaid(ctx, &orderspb.MarkRequest{Order: s.order})
	return err
}

func (p peers) clear(ctx context.Context, s *saga) error {
	_, err := p.cart.Clear(ctx, &cartpb.ClearRequest{Cart: s.request.cart, Order: s.order, Version: s.basket.version})
	return err
}

// refund gives the money back if it was taken, and otherwise makes sure that
// it never will be.
func (p peers) refund(ctx context.Context, s *saga) error {
	c, err := p.payment.Refund(ctx, &paymentpb.RefundRequest{Key: s.captureKey(), Order: s.order})
	if err != nil {
		return err
	}
	switch c.GetState() {
	case chargeRefunded, chargeVoid, chargeDeclined:
		return nil
	}
	return unclear("the charge", c.GetState())
}

func (p peers) release(ctx context.Context, s *saga) error {
	_, err := p.inventory.Release(ctx, &inventorypb.ReservationRequest{Order: s.order})
	return err
}

// cancel ends the order. One that was asked for and is not there yet may still
// come; so it is made first, to be found cancelled by whoever comes late.
func (p peers) cancel(ctx context.Context, s *saga) error {
	r := &orderspb.CancelRequest{Order: s.order, Reason: s.reason}
	_, err := p.orders.Cancel(ctx, r)
	if status.Code(err) != codes.NotFound {
		return err
	}
	switch err := p.create(ctx, s); judge(err) {
	case refused, wrong: // then no late one will succeed either
		return nil
	case again:
		return err
	}
	_, err = p.orders.Cancel(ctx, r)
	return err
}
