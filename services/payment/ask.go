package payment

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bedlamlab/bedlam/services/bank/bankpb"
	"github.com/bedlamlab/bedlam/services/internal/answer"
)

// What the bank calls its states and its reasons.
const (
	bankCharged    = "charged"
	bankDeclined   = "declined"
	bankVoid       = "void"
	bankRefunded   = "refunded"
	reasonDeclined = "DECLINED"
	reasonVoid     = "VOID"
)

// ask brings an unsettled charge to its end at the bank, and says which. Every
// question may be asked again by anyone. An error means that the end is not
// known.
func (s *Service) ask(ctx context.Context, c Charge) (outcome, error) {
	switch {
	case !c.givingBack:
		return s.askCharge(ctx, c)
	case c.State == Captured:
		return s.askRefund(ctx, c)
	}
	// To be given back, and the bank may or may not have charged it.
	t, err := s.bank.Void(ctx, &bankpb.VoidRequest{Key: c.bankKey()})
	if err != nil {
		return outcome{}, err
	}
	switch t.GetState() {
	case bankVoid:
		return outcome{state: Void}, nil
	case bankDeclined:
		return outcome{state: Declined}, nil
	case bankCharged:
		return s.askRefund(ctx, c)
	case bankRefunded:
		return outcome{state: Refunded, reference: t.GetId()}, nil
	}
	return outcome{}, strange(t)
}

func (s *Service) askCharge(ctx context.Context, c Charge) (outcome, error) {
	t, err := s.bank.Charge(ctx, &bankpb.ChargeRequest{
		Key: c.bankKey(), Reference: c.Order, Amount: c.Amount, Currency: c.currency, Card: c.card,
	})
	if status.Code(err) == codes.FailedPrecondition {
		switch answer.Reason(err) {
		case reasonDeclined:
			return outcome{state: Declined}, nil
		case reasonVoid:
			return outcome{state: Void}, nil
		}
	}
	if err != nil {
		return outcome{}, err
	}
	switch t.GetState() {
	case bankCharged:
		return outcome{state: Captured, reference: t.GetId()}, nil
	case bankRefunded:
		// Our row is out of date: it has been marked, voided and given back
		// since we read it. There is nothing to book but to read again.
		return outcome{}, nil
	}
	return outcome{}, strange(t)
}

func (s *Service) askRefund(ctx context.Context, c Charge) (outcome, error) {
	t, err := s.bank.Refund(ctx, &bankpb.RefundRequest{Key: c.refundKey(), ChargeKey: c.bankKey()})
	if err != nil {
		return outcome{}, err
	}
	if t.GetState() != bankRefunded {
		return outcome{}, strange(t)
	}
	return outcome{state: Refunded, reference: t.GetId()}, nil
}

func strange(t *bankpb.Transaction) error {
	return status.Errorf(codes.DataLoss, "the bank answered with the state %q, which makes no sense here", t.GetState())
}

// unknown is what a caller is told when the bank gave no plain answer.
// RESOURCE_EXHAUSTED is among it: that attempt did nothing, but one before it
// may have.
func unknown(err error) error {
	code := codes.Unavailable
	switch status.Code(err) {
	case codes.DeadlineExceeded:
		code = codes.DeadlineExceeded
	case codes.Canceled:
		code = codes.Canceled
	case codes.InvalidArgument, codes.NotFound, codes.FailedPrecondition, codes.Unimplemented, codes.DataLoss:
		code = codes.Internal // we and the bank disagree: asking again will hardly help
	}
	return status.Errorf(code, "what the bank did is not known yet: %v", err)
}
