package bank_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bedlamlab/bedlam/services/bank"
	"github.com/bedlamlab/bedlam/services/bank/bankpb"
	"github.com/bedlamlab/bedlam/services/internal/answer"
	"github.com/bedlamlab/bedlam/services/internal/serve"
	"github.com/bedlamlab/bedlam/services/internal/servetest"
	"github.com/bedlamlab/bedlam/topology"
)

// newLedger returns the bank's ledger in a database of its own, and an
// auditor's view of it.
func newLedger(t testing.TB) (*bank.Ledger, audit) {
	t.Helper()
	db := servetest.Pool(t, servetest.Schema(t, "bank", bank.Migrations()))
	return bank.NewLedger(db), audit{db}
}

// audit reads the views as an auditor does.
type audit struct{ db *pgxpool.Pool }

type fataler interface{ Fatalf(string, ...any) }

// balances requires what must hold at any moment: each transaction sums to
// zero, and each key has moved exactly the money that its state says.
func (a audit) balances(t fataler) {
	var bad int
	err := a.db.QueryRow(context.Background(), `
		SELECT count(*) FROM (SELECT FROM audit_ledger GROUP BY transaction HAVING sum(amount) <> 0 OR count(*) <> 2) AS t`).Scan(&bad)
	if err != nil || bad != 0 {
		t.Fatalf("%d transactions do not balance (%v)", bad, err)
	}
	err = a.db.QueryRow(context.Background(), `
		SELECT count(*) FROM audit_calls AS c LEFT JOIN (
			SELECT key, COALESCE(sum(amount) FILTER (WHERE kind = 'charge'), 0) AS charged,
			       COALESCE(sum(amount) FILTER (WHERE kind = 'refund'), 0) AS refunded
			FROM audit_ledger WHERE account = 'merchant' GROUP BY key) AS l ON l.key = c.key
		WHERE COALESCE(charged, 0) <> CASE WHEN state IN ('charged', 'refunded') THEN c.amount ELSE 0 END
		   OR COALESCE(refunded, 0) <> CASE WHEN state = 'refunded' THEN -c.amount ELSE 0 END`).Scan(&bad)
	if err != nil || bad != 0 {
		t.Fatalf("the ledger of %d keys is not what their state says (%v)", bad, err)
	}
}

// merchant returns what the merchant has.
func (a audit) merchant(t fataler) (sum int64) {
	err := a.db.QueryRow(context.Background(), `SELECT COALESCE(sum(amount), 0) FROM audit_ledger WHERE account = 'merchant'`).Scan(&sum)
	if err != nil {
		t.Fatalf("reading the ledger: %v", err)
	}
	return sum
}

// want requires a status code, and for a refusal its reason.
func want(t testing.TB, what string, err error, code codes.Code, reason string) {
	t.Helper()
	got := status.Code(serve.Status(context.Background(), err))
	if got != code || answer.Reason(err) != reason {
		t.Errorf("%s: got %v %q (%v), want %v %q", what, got, answer.Reason(err), err, code, reason)
	}
}

func charge(key string) bank.Charge {
	return bank.Charge{Key: key, Reference: "o-" + key, Amount: 1999, Currency: "EUR", Card: "tok-1"}
}

func TestChargeOnce(t *testing.T) {
	l, a := newLedger(t)
	ctx := t.Context()
	first, err := l.Charge(ctx, charge("k"))
	want(t, "charge", err, codes.OK, "")
	again, err := l.Charge(ctx, charge("k"))
	want(t, "charge again", err, codes.OK, "")
	if again != first || first.State != bank.Charged || first.ID == "" {
		t.Errorf("got %+v, then %+v", first, again)
	}
	for what, change := range map[string]func(*bank.Charge){
		"another amount":    func(c *bank.Charge) { c.Amount++ },
		"another reference": func(c *bank.Charge) { c.Reference = "o-other" },
		"another currency":  func(c *bank.Charge) { c.Currency = "USD" },
		"another card":      func(c *bank.Charge) { c.Card = "tok-2" },
	} {
		other := charge("k")
		change(&other)
		_, err := l.Charge(ctx, other)
		want(t, what+" under the same key", err, codes.InvalidArgument, "")
	}
	if got := a.merchant(t); got != 1999 {
		t.Errorf("the merchant has %d, want 1999", got)
	}
	a.balances(t)
}

func TestDeclined(t *testing.T) {
	l, a := newLedger(t)
	c := charge("k")
	c.Card = "declined-1"
	for range 2 {
		_, err := l.Charge(t.Context(), c)
		want(t, "a declined card", err, codes.FailedPrecondition, bank.ReasonDeclined)
	}
	got, err := l.Get(t.Context(), "k")
	want(t, "get", err, codes.OK, "")
	if got.State != bank.Declined || got.Amount != 1999 {
		t.Errorf("recorded as %+v", got)
	}
	_, err = l.Refund(t.Context(), "r", "k")
	want(t, "refund", err, codes.FailedPrecondition, bank.ReasonNotCharged)
	got, err = l.Void(t.Context(), "k")
	want(t, "void", err, codes.OK, "")
	if got.State != bank.Declined || a.merchant(t) != 0 {
		t.Errorf("void: got %+v", got)
	}
	a.balances(t)
}

func TestRefund(t *testing.T) {
	l, a := newLedger(t)
	ctx := t.Context()
	_, err := l.Refund(ctx, "r", "k")
	want(t, "refund of nothing", err, codes.NotFound, "")
	first, err := l.Charge(ctx, charge("k"))
	want(t, "charge", err, codes.OK, "")
	for range 2 {
		got, err := l.Refund(ctx, "r", "k")
		want(t, "refund", err, codes.OK, "")
		if got.State != bank.Refunded || got.ID != first.ID {
			t.Errorf("refund: got %+v", got)
		}
	}
	_, err = l.Refund(ctx, "r2", "k")
	want(t, "refund under another key", err, codes.FailedPrecondition, bank.ReasonRefunded)
	_, err = l.Charge(ctx, charge("k2"))
	want(t, "charge", err, codes.OK, "")
	_, err = l.Refund(ctx, "r", "k2")
	want(t, "the refund's key for another charge", err, codes.InvalidArgument, "")
	again, err := l.Charge(ctx, charge("k"))
	want(t, "charge again what was refunded", err, codes.OK, "")
	if again.State != bank.Refunded || a.merchant(t) != 1999 {
		t.Errorf("charge again: got %+v, and the merchant has %d", again, a.merchant(t))
	}
	a.balances(t)
}

func TestVoid(t *testing.T) {
	l, a := newLedger(t)
	ctx := t.Context()
	for range 2 {
		got, err := l.Void(ctx, "k")
		want(t, "void", err, codes.OK, "")
		if got.State != bank.Void {
			t.Errorf("void: got %+v", got)
		}
	}
	_, err := l.Charge(ctx, charge("k"))
	want(t, "late charge", err, codes.FailedPrecondition, bank.ReasonVoid)
	_, err = l.Charge(ctx, charge("k2"))
	want(t, "charge", err, codes.OK, "")
	got, err := l.Void(ctx, "k2")
	want(t, "late void", err, codes.OK, "")
	if got.State != bank.Charged || a.merchant(t) != 1999 {
		t.Errorf("late void: got %+v", got)
	}
	_, err = l.Get(ctx, "k3")
	want(t, "get nothing", err, codes.NotFound, "")
	a.balances(t)
}

func TestValidation(t *testing.T) {
	l, a := newLedger(t)
	for what, change := range map[string]func(*bank.Charge){
		"no key":                           func(c *bank.Charge) { c.Key = "" },
		"a key too long":                   func(c *bank.Charge) { c.Key = strings.Repeat("k", answer.MaxText+1) },
		"a key PostgreSQL cannot store":    func(c *bank.Charge) { c.Key = "k\x00" },
		"no reference":                     func(c *bank.Charge) { c.Reference = "" },
		"no card":                          func(c *bank.Charge) { c.Card = "" },
		"nothing":                          func(c *bank.Charge) { c.Amount = 0 },
		"a negative amount is a gift":      func(c *bank.Charge) { c.Amount = -1 },
		"more than anybody has":            func(c *bank.Charge) { c.Amount = bank.MaxAmount + 1 },
		"no currency":                      func(c *bank.Charge) { c.Currency = "" },
		"a currency that is none":          func(c *bank.Charge) { c.Currency = "eur" },
		"a currency with one letter extra": func(c *bank.Charge) { c.Currency = "EURO" },
	} {
		c := charge("k")
		change(&c)
		_, err := l.Charge(t.Context(), c)
		want(t, what, err, codes.InvalidArgument, "")
	}
	_, err := l.Void(t.Context(), "")
	want(t, "void of nothing", err, codes.InvalidArgument, "")
	_, err = l.Refund(t.Context(), "", "k")
	want(t, "refund without a key", err, codes.InvalidArgument, "")
	_, err = l.Refund(t.Context(), "r", "")
	want(t, "refund of nothing", err, codes.InvalidArgument, "")
	if a.merchant(t) != 0 {
		t.Error("a wrong request moved money")
	}
}

// TestService goes through the wire, the real settings and the schema that the
// service makes for itself.
func TestService(t *testing.T) {
	address, _ := servetest.Start(t, bank.Run, topology.Assignment{
		Instance: topology.Instance{Service: "bank"}, Store: servetest.Postgres(t),
		Settings: map[string]string{"concurrency": "2", "service_time": "1ms"},
	})
	c := bankpb.NewBankClient(servetest.Dial(t, address))
	ctx := t.Context()
	ask := &bankpb.ChargeRequest{Key: "k", Reference: "o-1", Amount: 5, Currency: "EUR", Card: "tok"}
	got, err := c.Charge(ctx, ask)
	if err != nil || got.GetState() != "charged" || got.GetId() == "" || got.GetAmount() != 5 || got.GetReference() != "o-1" {
		t.Fatalf("charge: %v, %v", got, err)
	}
	if got, err = c.Void(ctx, &bankpb.VoidRequest{Key: "k"}); err != nil || got.GetState() != "charged" {
		t.Errorf("void: %v, %v", got, err)
	}
	if got, err = c.Refund(ctx, &bankpb.RefundRequest{Key: "r", ChargeKey: "k"}); err != nil || got.GetState() != "refunded" {
		t.Errorf("refund: %v, %v", got, err)
	}
	if got, err = c.Get(ctx, &bankpb.GetRequest{Key: "k"}); err != nil || got.GetState() != "refunded" {
		t.Errorf("get: %v, %v", got, err)
	}
	_, err = c.Charge(ctx, &bankpb.ChargeRequest{Key: "k2", Reference: "o-2", Amount: 5, Currency: "EUR", Card: "declined"})
	want(t, "a declined card, over the wire", err, codes.FailedPrecondition, bank.ReasonDeclined)
}

func TestSettings(t *testing.T) {
	dsn := servetest.Postgres(t)
	for _, settings := range []map[string]string{
		nil,
		{"concurrency": "0", "service_time": "5ms"},
		{"concurrency": "32", "service_time": "5"},
		{"concurrency": "32", "service_time": "-5ms"},
	} {
		err := bank.Run(t.Context(), topology.Assignment{
			Instance: topology.Instance{Service: "bank", Name: "bank-1"}, Listen: servetest.Address(t), Store: dsn, Settings: settings,
		})
		if err == nil {
			t.Errorf("it ran with the settings %v", settings)
		}
	}
}
