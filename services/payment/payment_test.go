package payment_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bedlamlab/bedlam/services/internal/answer"
	"github.com/bedlamlab/bedlam/services/internal/serve"
	"github.com/bedlamlab/bedlam/services/internal/servetest"
	"github.com/bedlamlab/bedlam/services/payment"
)

// world is one database and one bank with two replicas of payment between them.
type world struct {
	db       *pgxpool.Pool // the auditor's
	bank     *fakeBank
	replicas [2]*payment.Service
}

func newWorld(t testing.TB) *world {
	t.Helper()
	dsn := servetest.Schema(t, "payment", payment.Migrations())
	bank, client := newFakeBank(t)
	w := &world{db: open(t, dsn, false), bank: bank}
	for i := range w.replicas {
		// No grace: the resolver may take up at once what its caller left.
		store := payment.NewStore(open(t, dsn, true), 0)
		w.replicas[i] = payment.NewService(store, client, slog.New(slog.DiscardHandler))
	}
	return w
}

func open(t testing.TB, dsn string, gated bool) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	if gated {
		config.ConnConfig.Tracer = gates{}
	}
	config.MaxConns = 6
	db, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

type fataler interface{ Fatalf(string, ...any) }

// recover lets the leases run out and a resolver finish what is unsettled.
func (w *world) recover(t fataler) {
	ctx := context.Background()
	if _, err := w.db.Exec(ctx, `UPDATE charges SET leased_until = now() WHERE leased_until > now()`); err != nil {
		t.Fatalf("letting the leases run out: %v", err)
	}
	if _, err := payment.NewResolver(w.replicas[1]).Once(ctx); err != nil {
		t.Fatalf("resolving: %v", err)
	}
}

// audit requires what must hold once nothing is under way: the ledger's sums,
// and that we and the bank agree about a key. It returns the key's state, "" if
// it was never seen.
func (w *world) audit(t fataler, key string) payment.State {
	ctx := context.Background()
	var bad int
	err := w.db.QueryRow(ctx, `SELECT count(*) FROM (
		SELECT FROM audit_ledger GROUP BY transaction HAVING sum(amount) <> 0 OR count(*) <> 2) AS t`).Scan(&bad)
	if err != nil || bad != 0 {
		t.Fatalf("%d transactions do not balance (%v)", bad, err)
	}
	var state payment.State
	var amount, captured, refunded int64
	err = w.db.QueryRow(ctx, `
		SELECT COALESCE(min(state), ''), COALESCE(min(c.amount), 0),
		       COALESCE(sum(l.amount) FILTER (WHERE kind = 'capture'), 0), COALESCE(sum(l.amount) FILTER (WHERE kind = 'refund'), 0)
		FROM audit_charges AS c LEFT JOIN audit_ledger AS l ON l.order_id = c.order_id AND account = 'receivable:bank'
		WHERE key = $1`, key).Scan(&state, &amount, &captured, &refunded)
	if err != nil {
		t.Fatalf("reading the audit views: %v", err)
	}
	type books struct {
		bank               string
		captured, refunded int64
	}
	got := books{w.bank.state(key), captured, refunded}
	if want := map[payment.State]books{
		"":               {"", 0, 0},
		payment.Captured: {"charged", amount, 0},
		payment.Refunded: {"refunded", amount, -amount},
		payment.Declined: {"declined", 0, 0},
		payment.Void:     {"void", 0, 0},
	}; got != want[state] && !(state == payment.Void && got == books{}) { // a key that was never pending is unknown to the bank
		t.Fatalf("%s is %q over %d here, and the books say %+v", key, state, amount, got)
	}
	return state
}

// want requires a status code, and for a refusal its reason.
func want(t testing.TB, what string, err error, code codes.Code, reason string) {
	t.Helper()
	got := status.Code(serve.Status(context.Background(), err))
	if got != code || answer.Reason(err) != reason {
		t.Errorf("%s: got %v %q (%v), want %v %q", what, got, answer.Reason(err), err, code, reason)
	}
}

func capture(key string) payment.Capture {
	return payment.Capture{Key: key, Order: "o-" + key, Amount: 1999, Currency: "EUR", Card: "tok-1"}
}

func TestCaptureOnce(t *testing.T) {
	w := newWorld(t)
	a, b := w.replicas[0], w.replicas[1]
	ctx := t.Context()
	first, err := a.Capture(ctx, capture("k"))
	want(t, "capture", err, codes.OK, "")
	again, err := b.Capture(ctx, capture("k"))
	want(t, "capture again, on the other replica", err, codes.OK, "")
	if again != first || first.State != payment.Captured || first.BankReference == "" {
		t.Errorf("got %+v, then %+v", first, again)
	}
	for what, change := range map[string]func(*payment.Capture){
		"another amount":   func(c *payment.Capture) { c.Amount++ },
		"another order":    func(c *payment.Capture) { c.Order = "o-other" },
		"another currency": func(c *payment.Capture) { c.Currency = "USD" },
		"another card":     func(c *payment.Capture) { c.Card = "tok-2" },
	} {
		other := capture("k")
		change(&other)
		_, err := a.Capture(ctx, other)
		want(t, what+" under the same key", err, codes.InvalidArgument, "")
	}
	got, err := b.Get(ctx, "k")
	want(t, "get", err, codes.OK, "")
	if got != first {
		t.Errorf("get: got %+v", got)
	}
	_, err = b.Get(ctx, "k2")
	want(t, "get nothing", err, codes.NotFound, "")
	if got := w.audit(t, "k"); got != payment.Captured {
		t.Errorf("the audit says %s", got)
	}
}

func TestRefund(t *testing.T) {
	w := newWorld(t)
	a, b := w.replicas[0], w.replicas[1]
	ctx := t.Context()
	_, err := a.Capture(ctx, capture("k"))
	want(t, "capture", err, codes.OK, "")
	_, err = b.Refund(ctx, "k", "o-other")
	want(t, "refund of another order", err, codes.InvalidArgument, "")
	if got := w.audit(t, "k"); got != payment.Captured {
		t.Errorf("after a refused refund the audit says %s", got)
	}
	for range 2 {
		got, err := b.Refund(ctx, "k", "o-k")
		want(t, "refund", err, codes.OK, "")
		if got.State != payment.Refunded {
			t.Errorf("refund: got %+v", got)
		}
	}
	_, err = a.Capture(ctx, capture("k"))
	want(t, "capture what was refunded", err, codes.FailedPrecondition, payment.ReasonRefunded)

	for range 2 {
		got, err := a.Refund(ctx, "k2", "o-k2")
		want(t, "refund of what was never captured", err, codes.OK, "")
		if got.State != payment.Void {
			t.Errorf("refund of nothing: got %+v", got)
		}
	}
	_, err = b.Capture(ctx, capture("k2"))
	want(t, "late capture", err, codes.FailedPrecondition, payment.ReasonVoid)

	_, err = a.Capture(ctx, capture("k3"))
	want(t, "capture", err, codes.OK, "")
	_, err = a.Refund(ctx, "k3", "")
	want(t, "refund of any order", err, codes.OK, "")
	for key, state := range map[string]payment.State{"k": payment.Refunded, "k2": payment.Void, "k3": payment.Refunded} {
		if got := w.audit(t, key); got != state {
			t.Errorf("%s: the audit says %s, want %s", key, got, state)
		}
	}
}

func TestDeclined(t *testing.T) {
	w := newWorld(t)
	c := capture("k")
	c.Card = "declined-1"
	for i := range 2 {
		_, err := w.replicas[i].Capture(t.Context(), c)
		want(t, "a declined card", err, codes.FailedPrecondition, payment.ReasonDeclined)
	}
	got, err := w.replicas[0].Refund(t.Context(), "k", "o-k")
	want(t, "refund of what was declined", err, codes.OK, "")
	if got.State != payment.Declined || w.audit(t, "k") != payment.Declined {
		t.Errorf("refund of what was declined: got %+v", got)
	}
}

func TestValidation(t *testing.T) {
	w := newWorld(t)
	for what, change := range map[string]func(*payment.Capture){
		"no key":                           func(c *payment.Capture) { c.Key = "" },
		"a key too long for the bank":      func(c *payment.Capture) { c.Key = strings.Repeat("k", answer.MaxText) },
		"a key PostgreSQL cannot store":    func(c *payment.Capture) { c.Key = "k\x00" },
		"no order":                         func(c *payment.Capture) { c.Order = "" },
		"no card":                          func(c *payment.Capture) { c.Card = "" },
		"nothing":                          func(c *payment.Capture) { c.Amount = 0 },
		"a negative amount is a gift":      func(c *payment.Capture) { c.Amount = -1 },
		"more than anybody has":            func(c *payment.Capture) { c.Amount = payment.MaxAmount + 1 },
		"a currency that is none":          func(c *payment.Capture) { c.Currency = "eur" },
		"a currency with one letter extra": func(c *payment.Capture) { c.Currency = "EURO" },
	} {
		c := capture("k")
		change(&c)
		_, err := w.replicas[0].Capture(t.Context(), c)
		want(t, what, err, codes.InvalidArgument, "")
	}
	_, err := w.replicas[0].Refund(t.Context(), "", "")
	want(t, "refund of no key", err, codes.InvalidArgument, "")
	_, err = w.replicas[0].Refund(t.Context(), "k", "o\n")
	want(t, "refund of an order that is none", err, codes.InvalidArgument, "")
	_, err = w.replicas[0].Get(t.Context(), "")
	want(t, "get no key", err, codes.InvalidArgument, "")
	if got := w.audit(t, "k"); got != "" {
		t.Errorf("a wrong request left %s behind", got)
	}
}
