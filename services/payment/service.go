package payment

import (
	"context"
	"log/slog"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bedlamlab/bedlam/services/bank/bankpb"
	"github.com/bedlamlab/bedlam/services/internal/answer"
)

// A Service decides about charges. Any number of them may share one database.
type Service struct {
	store *Store
	bank  bankpb.BankClient
	log   *slog.Logger
}

// NewService returns a service that keeps its charges in s and asks bank.
func NewService(s *Store, bank bankpb.BankClient, log *slog.Logger) *Service {
	return &Service{store: s, bank: bank, log: log}
}

// Capture takes the money, or says again what became of it.
//
//   - INVALID_ARGUMENT: the request is wrong, or not the one that its key
//     stands for.
//   - FAILED_PRECONDITION: the bank declined, or the key was refunded; it will
//     not be captured.
//   - UNAVAILABLE, DEADLINE_EXCEEDED: unknown; ask again with the same key.
func (s *Service) Capture(ctx context.Context, c Capture) (Charge, error) {
	if err := c.Validate(); err != nil {
		return Charge{}, err
	}
	row, err := s.store.Open(ctx, c)
	if err != nil {
		return Charge{}, err
	}
	if row.Amount != 0 && (row.Order != c.Order || row.Amount != c.Amount || row.currency != c.Currency || row.card != c.Card) {
		return Charge{}, answer.Invalid("key", "%s stands for another charge (%d %s for order %s)", c.Key, row.Amount, row.currency, row.Order)
	}
	if row.State == Pending && !row.givingBack {
		if row, err = s.settle(ctx, row); err != nil {
			return Charge{}, err
		}
	}
	switch {
	case row.State == Declined:
		return Charge{}, answer.Refused(ReasonDeclined, "the bank declined the card")
	case row.State == Refunded, row.State == Captured && row.givingBack:
		return Charge{}, answer.Refused(ReasonRefunded, "charge %s was refunded: it will not be captured again", c.Key)
	case row.State == Void, row.givingBack:
		return Charge{}, answer.Refused(ReasonVoid, "charge %s was refunded before it was captured: it will not be", c.Key)
	}
	return row, nil
}

// Refund gives a charge back, or makes sure that it will never be captured,
// and returns it as refunded, void or declined. An empty order matches any.
//
//   - INVALID_ARGUMENT: the key is that of another order's charge.
//   - UNAVAILABLE, DEADLINE_EXCEEDED: not finished yet, but sure to be: the
//     charge will not end as captured. Ask again with the same key.
func (s *Service) Refund(ctx context.Context, key, order string) (Charge, error) {
	if err := validateKey(key); err != nil {
		return Charge{}, err
	}
	if order != "" {
		if err := answer.Text("order", order); err != nil {
			return Charge{}, err
		}
	}
	row, err := s.store.GiveBack(ctx, key, order)
	if err != nil {
		return Charge{}, err
	}
	if order != "" && row.Order != "" && row.Order != order {
		return Charge{}, answer.Invalid("key", "%s stands for a charge of order %s", key, row.Order)
	}
	if !row.settled() {
		return s.settle(ctx, row)
	}
	return row, nil
}

// Get returns the charge of a key, or NOT_FOUND.
func (s *Service) Get(ctx context.Context, key string) (Charge, error) {
	if err := validateKey(key); err != nil {
		return Charge{}, err
	}
	return s.store.Get(ctx, key)
}

// afterthought is how long booking the bank's answer may take when the caller
// has hung up meanwhile: as long as an attempt at a statement usually may.
// What is not booked by then is found by the resolver.
const afterthought = time.Second

// settle asks the bank about an unsettled charge and books what it says. No
// connection to the database is held in between.
func (s *Service) settle(ctx context.Context, row Charge) (Charge, error) {
	o, err := s.ask(ctx, row)
	if err != nil {
		err = unknown(err)
		if status.Code(err) == codes.Internal {
			// Not the weather, which the caller hears of and spans show: one
			// of us is wrong, and somebody should look.
			s.log.ErrorContext(ctx, "we and the bank disagree", "key", row.Key, "order", row.Order, "error", err)
		}
		return Charge{}, err
	}
	// Money has moved, or surely will not: worth writing down even if nobody
	// waits for it any more.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterthought)
	defer cancel()
	return s.store.Book(ctx, row.Key, o)
}
