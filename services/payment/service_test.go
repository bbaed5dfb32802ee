package payment_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bedlamlab/bedlam/services/bank"
	"github.com/bedlamlab/bedlam/services/internal/servetest"
	"github.com/bedlamlab/bedlam/services/payment"
	"github.com/bedlamlab/bedlam/services/payment/paymentpb"
	"github.com/bedlamlab/bedlam/topology"
)

// TestTwoLedgersAgree runs the real bank and two real replicas of payment, and
// lets customers capture and refund at the same time while the bank restarts.
// When all is quiet, the two ledgers must tell the same story of every order.
func TestTwoLedgersAgree(t *testing.T) {
	bankStore, store := servetest.Postgres(t), servetest.Postgres(t)
	bankAssignment := topology.Assignment{
		Instance: topology.Instance{Service: "bank"}, Listen: servetest.Address(t), Store: bankStore,
		Settings: map[string]string{"concurrency": "8", "service_time": "1ms"},
	}
	_, stopBank := servetest.Start(t, bank.Run, bankAssignment)
	var clients [2]paymentpb.PaymentClient
	for i := range clients {
		address, _ := servetest.Start(t, payment.Run, topology.Assignment{
			Instance: topology.Instance{Service: "payment", Name: fmt.Sprintf("payment-%d", i+1)}, Store: store,
			Peers: map[string][]topology.Peer{"bank": {{Instance: "bank-1", Address: bankAssignment.Listen}}},
			Policies: map[string]topology.Policy{"bank": {
				Timeout: topology.Duration(time.Second),
				Retry:   &topology.Retry{Attempts: 4, Base: topology.Duration(20 * time.Millisecond), Max: topology.Duration(200 * time.Millisecond), Jitter: 1},
			}},
		})
		clients[i] = paymentpb.NewPaymentClient(servetest.Dial(t, address))
	}

	// Ten times what everything takes on a slow machine, the resolver included.
	limit, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	const customers, orders = 8, 10
	half := make(chan struct{}) // closed when the bank is to restart
	var passed sync.WaitGroup
	passed.Add(customers)
	var wg sync.WaitGroup
	for c := range customers {
		wg.Go(func() {
			for i := range orders {
				if i == orders/2 {
					passed.Done()
					<-half
				}
				key := fmt.Sprintf("k-%d-%d", c, i)
				ask := &paymentpb.CaptureRequest{Key: key, Order: "o-" + key, Amount: int64(100 + i), Currency: "EUR", Card: "tok"}
				if i%5 == 4 {
					ask.Card = "declined"
				}
				client, other := clients[i%2], clients[(i+1)%2]
				var both sync.WaitGroup
				both.Go(func() { expect(t, "capture", call(limit, client.Capture, ask)) })
				if i%3 == 0 { // the saga gave up on it
					both.Go(func() {
						expect(t, "refund", call(limit, other.Refund, &paymentpb.RefundRequest{Key: key, Order: "o-" + key}))
					})
				}
				both.Wait()
			}
		})
	}
	passed.Wait()
	close(half)
	stopBank() // requests meet a bank that drains, then none
	servetest.Start(t, bank.Run, bankAssignment)
	wg.Wait()

	ours, theirs := servetest.Pool(t, store), servetest.Pool(t, bankStore)
	for open := 1; open > 0; {
		// Refunds whose capture is done are unsettled as well: the books tell.
		err := ours.QueryRow(limit, `SELECT count(*) FROM payment.charges
			WHERE state = 'pending' OR (state = 'captured' AND giving_back)`).Scan(&open)
		if err != nil {
			t.Fatalf("waiting for the resolver: %v", err)
		}
	}
	got, want := books(t, ours, "receivable:bank", "payment.audit_ledger", "order_id"), books(t, theirs, "merchant", "bank.audit_ledger", "reference")
	if len(want) == 0 {
		t.Error("the bank saw nothing: nothing was tested")
	}
	for order, there := range want {
		if got[order] != there {
			t.Errorf("%s: the bank moved %v, and we booked %v", order, there, got[order])
		}
	}
	for order, here := range got {
		if _, ok := want[order]; !ok {
			t.Errorf("%s: we booked %v, and the bank knows nothing of it", order, here)
		}
	}
}

// call asks until the answer is plain, as the saga does.
func call[Q, A any, O any](limit context.Context, f func(context.Context, Q, ...O) (A, error), ask Q) error {
	for {
		ctx, cancel := context.WithTimeout(limit, 2*time.Second)
		_, err := f(ctx, ask)
		cancel()
		switch status.Code(err) {
		case codes.Unavailable, codes.DeadlineExceeded, codes.Aborted, codes.ResourceExhausted:
			if limit.Err() != nil {
				return err
			}
		default:
			return err
		}
	}
}

func expect(t *testing.T, what string, err error) {
	if c := status.Code(err); c != codes.OK && c != codes.FailedPrecondition {
		t.Errorf("%s: %v", what, err)
	}
}

// books returns what came in and what went out for each order.
func books(t testing.TB, db *pgxpool.Pool, account, view, order string) map[string][2]int64 {
	t.Helper()
	rows, err := db.Query(t.Context(), fmt.Sprintf(`SELECT %s,
		COALESCE(sum(amount) FILTER (WHERE kind <> 'refund'), 0), COALESCE(sum(amount) FILTER (WHERE kind = 'refund'), 0)
		FROM %s WHERE account = $1 GROUP BY 1`, order, view), account)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	all := map[string][2]int64{}
	for rows.Next() {
		var name string
		var in, out int64
		if err := rows.Scan(&name, &in, &out); err != nil {
			t.Fatal(err)
		}
		all[name] = [2]int64{in, out}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestResolversShare lets two resolvers look at the same moment: each pending
// charge is taken up by one of them, and all are settled.
func TestResolversShare(t *testing.T) {
	w := newWorld(t)
	const charges = 40
	for i := range charges {
		kill(t.Context(), w.request("capture", 0, fmt.Sprintf("k-%d", i)), 1+i%3)
	}
	var wg sync.WaitGroup
	var settled [2]int
	for i := range settled {
		wg.Go(func() {
			n, err := payment.NewResolver(w.replicas[i]).Once(t.Context())
			if err != nil {
				t.Errorf("resolving: %v", err)
			}
			settled[i] = n
		})
	}
	wg.Wait()
	if settled[0]+settled[1] != charges {
		t.Errorf("they settled %v of %d charges: some twice, or not at all", settled, charges)
	}
	for i := range charges {
		if got := w.audit(t, fmt.Sprintf("k-%d", i)); got != payment.Captured {
			t.Errorf("charge %d is %s", i, got)
		}
	}
}

// TestGrace: what is its caller's is not taken from it.
func TestGrace(t *testing.T) {
	w := newWorld(t)
	kill(t.Context(), w.request("capture", 0, "k"), 1)
	if _, err := w.db.Exec(t.Context(), `UPDATE charges SET leased_until = now() + interval '1 hour'`); err != nil {
		t.Fatal(err)
	}
	if n, err := payment.NewResolver(w.replicas[1]).Once(t.Context()); err != nil || n != 0 {
		t.Errorf("a leased charge was taken up: %d, %v", n, err)
	}
	w.recover(t)
	if got := w.audit(t, "k"); got != payment.Captured {
		t.Errorf("the charge is %s", got)
	}
}

// TestTheSchemaItselfRefuses breaks each rule by hand: the checks that the
// audit relies on must be able to fire.
func TestTheSchemaItselfRefuses(t *testing.T) {
	w := newWorld(t)
	if _, err := w.replicas[0].Capture(t.Context(), capture("k")); err != nil {
		t.Fatal(err)
	}
	const insert = `INSERT INTO ledger (transaction, key, order_id, account, amount, kind) VALUES `
	for _, r := range []struct{ why, sql string }{
		{"a transaction with one entry", insert + `('t', 'k', 'o-k', 'sales:orders', 5, 'refund')`},
		{"a transaction that does not balance", insert + `('t', 'k', 'o-k', 'sales:orders', 5, 'refund'), ('t', 'k', 'o-k', 'receivable:bank', -4, 'refund')`},
		{"a second capture of a key", insert + `('t', 'k', 'o-k', 'sales:orders', -5, 'capture'), ('t', 'k', 'o-k', 'receivable:bank', 5, 'capture')`},
		{"an unknown account", insert + `('t', 'k', 'o-k', 'pocket', 5, 'refund'), ('t', 'k', 'o-k', 'receivable:bank', -5, 'refund')`},
		{"an entry that changes", `UPDATE ledger SET amount = amount * 2`},
		{"an entry that vanishes", `DELETE FROM ledger`},
		{"a charge that vanishes", `DELETE FROM charges`},
		{"a refund that nobody asked for", `UPDATE charges SET state = 'refunded'`},
		{"a capture the bank knows nothing of", `UPDATE charges SET bank_reference = ''`},
		{"a capture of nothing", `UPDATE charges SET amount = 0`},
	} {
		if _, err := w.db.Exec(t.Context(), r.sql); err == nil {
			t.Errorf("%s was accepted", r.why)
		}
	}
	if got := w.audit(t, "k"); got != payment.Captured {
		t.Errorf("the charge is %s", got)
	}
}
