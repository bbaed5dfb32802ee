package bank_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"pgregory.net/rapid"

	"github.com/bedlamlab/bedlam/services/bank"
	"github.com/bedlamlab/bedlam/services/internal/answer"
	"github.com/bedlamlab/bedlam/services/internal/serve"
)

// TestOneChargeOfMany sends one charge thirty times at once.
func TestOneChargeOfMany(t *testing.T) {
	l, a := newLedger(t)
	var wg sync.WaitGroup
	ids := make([]string, 30)
	for i := range ids {
		wg.Go(func() {
			got, err := l.Charge(t.Context(), charge("k"))
			if err != nil {
				t.Errorf("charge: %v", err)
			}
			ids[i] = got.ID
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("two answers: %s and %s", id, ids[0])
		}
	}
	if got := a.merchant(t); got != 1999 {
		t.Errorf("the merchant has %d, want 1999", got)
	}
	a.balances(t)
}

// TestChargeMeetsVoid: of a charge and a void at the same moment one wins, and
// both are told which.
func TestChargeMeetsVoid(t *testing.T) {
	l, a := newLedger(t)
	charged := int64(0)
	for i := range 100 {
		key := fmt.Sprintf("k-%d", i)
		var wg sync.WaitGroup
		var refused error
		var voided bank.Transaction
		wg.Go(func() { _, refused = l.Charge(t.Context(), charge(key)) })
		wg.Go(func() {
			var err error
			if voided, err = l.Void(t.Context(), key); err != nil {
				t.Errorf("void: %v", err)
			}
		})
		wg.Wait()
		switch {
		case refused == nil && voided.State == bank.Charged:
			charged++
		case answer.Reason(refused) == bank.ReasonVoid && voided.State == bank.Void:
		default:
			t.Errorf("%s: the charge was told %v, the void %s", key, refused, voided.State)
		}
	}
	if got := a.merchant(t); got != charged*1999 {
		t.Errorf("the merchant has %d after %d charges", got, charged)
	}
	a.balances(t)
}

type action string

const (
	take   action = "charge"
	refund action = "refund"
	void   action = "void"
)

type step struct {
	what     action
	key      int
	declined bool
	patience time.Duration // until the caller hangs up; 0: never
}

func draw(r *rapid.T) step {
	s := step{
		what:     rapid.SampledFrom([]action{take, take, refund, void}).Draw(r, "what"),
		key:      rapid.IntRange(0, 2).Draw(r, "key"),
		declined: rapid.IntRange(0, 4).Draw(r, "declined") == 0,
	}
	if rapid.Bool().Draw(r, "impatient") {
		s.patience = time.Duration(rapid.IntRange(1, 2000).Draw(r, "patience")) * time.Microsecond
	}
	return s
}

// TestInterleavings does random things to few keys at the same time, with
// callers that hang up in the middle. The books must balance at every moment,
// a state that was told must never be untold, and whoever hung up and asks
// again is told the truth.
func TestInterleavings(t *testing.T) {
	l, a := newLedger(t)
	round := 0
	rapid.Check(t, func(r *rapid.T) {
		round++
		var wg sync.WaitGroup
		told := make([][]bank.Transaction, rapid.IntRange(2, 5).Draw(r, "callers"))
		for c := range told {
			steps := rapid.SliceOfN(rapid.Custom(draw), 1, 6).Draw(r, "steps")
			wg.Go(func() {
				for _, s := range steps {
					got, err := s.take(t.Context(), l, fmt.Sprintf("k-%d-%d", round, s.key))
					switch code := status.Code(err); code {
					case codes.OK:
						told[c] = append(told[c], got)
					case codes.FailedPrecondition, codes.InvalidArgument, codes.NotFound:
					case codes.Canceled:
						if s.patience == 0 {
							t.Errorf("%s was cancelled, and not by us: %v", s.what, err)
						}
					default:
						t.Errorf("%s: %v", s.what, err)
					}
				}
			})
		}
		wg.Wait()
		a.balances(r)
		for _, all := range told {
			for _, before := range all {
				now, err := l.Get(t.Context(), before.Key)
				if err != nil {
					r.Fatalf("%s was %s and is gone: %v", before.Key, before.State, err)
				}
				kept := now == before
				if before.State == bank.Charged && now.State == bank.Refunded {
					before.State = bank.Refunded
					kept = now == before
				}
				if !kept {
					r.Fatalf("told %+v, and now it is %+v", before, now)
				}
			}
		}
	})
}

// take returns what the server would answer.
func (s step) take(ctx context.Context, l *bank.Ledger, key string) (got bank.Transaction, err error) {
	if s.patience > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		defer time.AfterFunc(s.patience, cancel).Stop()
	}
	switch s.what {
	case take:
		c := charge(key)
		if s.declined {
			c.Card = "declined"
		}
		got, err = l.Charge(ctx, c)
	case refund:
		got, err = l.Refund(ctx, "r-"+key, key)
	case void:
		got, err = l.Void(ctx, key)
	}
	return got, serve.Status(ctx, err)
}

// TestTheSchemaItselfRefuses breaks each rule by hand: the checks that the
// audit relies on must be able to fire.
func TestTheSchemaItselfRefuses(t *testing.T) {
	l, a := newLedger(t)
	if _, err := l.Charge(t.Context(), charge("k")); err != nil {
		t.Fatal(err)
	}
	const insert = `INSERT INTO ledger (transaction, key, reference, account, amount, kind) VALUES `
	for _, r := range []struct{ why, sql string }{
		{"a transaction with one entry", insert + `('t', 'k', 'o', 'merchant', -5, 'refund')`},
		{"a transaction that does not balance", insert + `('t', 'k', 'o', 'merchant', -5, 'refund'), ('t', 'k', 'o', 'card', 4, 'refund')`},
		{"a second charge of a key", insert + `('t', 'k', 'o', 'merchant', 5, 'charge'), ('t', 'k', 'o', 'card', -5, 'charge')`},
		{"a charge without a call", insert + `('t', 'x', 'o', 'merchant', 5, 'charge'), ('t', 'x', 'o', 'card', -5, 'charge')`},
		{"an entry that changes", `UPDATE ledger SET amount = amount * 2`},
		{"an entry that vanishes", `DELETE FROM ledger`},
		{"a ledger that vanishes", `TRUNCATE ledger`},
		{"a call that vanishes", `DELETE FROM calls`},
		{"a refund without a key", `UPDATE calls SET state = 'refunded'`},
		{"a charge of nothing", `INSERT INTO calls (key, reference, amount, currency, card, state) VALUES ('z', 'o', 0, 'EUR', 'c', 'charged')`},
	} {
		if _, err := a.db.Exec(t.Context(), r.sql); err == nil {
			t.Errorf("%s was accepted", r.why)
		}
	}
	a.balances(t)
}
