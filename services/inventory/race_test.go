package inventory_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"pgregory.net/rapid"

	"github.com/bedlamlab/bedlam/services/internal/serve"
	"github.com/bedlamlab/bedlam/services/inventory"
)

// TestNoOversell lets fifty customers, over two replicas, each want one of
// forty: forty get it and ten are told that it is sold out, nobody anything else.
func TestNoOversell(t *testing.T) {
	s := newShop(t, time.Hour)
	var wg sync.WaitGroup
	errs := make([]error, 50)
	for i := range errs {
		wg.Go(func() {
			// A second line that all want too, so that locks are taken on two rows.
			lines := []inventory.Line{line("P00005", 1), line("P00001", 1)}
			_, errs[i] = s.replicas[i%2].Reserve(t.Context(), fmt.Sprintf("o-%d", i), lines)
		})
	}
	wg.Wait()
	got := map[string]int{}
	for _, err := range errs {
		got[status.Code(serve.Status(t.Context(), err)).String()]++
	}
	if got["OK"] != inventory.Scarce || got["FailedPrecondition"] != len(errs)-inventory.Scarce {
		t.Errorf("got %v, want %d OK and the rest FailedPrecondition", got, inventory.Scarce)
	}
	s.audit(t)
}

// TestTwins sends each order's Reserve twice at the same time, and its Release
// besides: whatever comes first, in the end nothing is held.
func TestTwins(t *testing.T) {
	s := newShop(t, time.Hour)
	var wg sync.WaitGroup
	for i := range 60 {
		order := fmt.Sprintf("o-%d", i)
		lines := []inventory.Line{line("P00005", 1), line("P00012", 2)}
		released := make(chan struct{})
		for n := range 2 {
			wg.Go(func() {
				_, err := s.replicas[n].Reserve(t.Context(), order, lines)
				if c := status.Code(serve.Status(t.Context(), err)); c != codes.OK && c != codes.FailedPrecondition {
					t.Errorf("reserve: %v", err)
				}
				<-released
				if _, err := s.replicas[n].Reserve(t.Context(), order, lines); status.Code(err) != codes.FailedPrecondition {
					t.Errorf("reserve after the release: %v, want FAILED_PRECONDITION", err)
				}
			})
		}
		wg.Go(func() {
			defer close(released)
			if _, err := s.replicas[i%2].Release(t.Context(), order); err != nil {
				t.Errorf("release: %v", err)
			}
		})
	}
	wg.Wait()
	if got := s.available(t, "P00005"); got != inventory.Scarce {
		t.Errorf("%d available after everything was released, want %d", got, inventory.Scarce)
	}
	s.audit(t)
}

// TestInterleavings lets several customers do random things to few orders and
// few products at the same time, on two replicas, some of them hanging up in
// the middle, while reservations expire. The books must be right at every
// moment, and a released order must stay released.
func TestInterleavings(t *testing.T) {
	s := newShop(t, time.Millisecond)
	round := 0
	rapid.Check(t, func(r *rapid.T) {
		round++
		orders := rapid.IntRange(1, 4).Draw(r, "orders")
		var wg sync.WaitGroup
		for c := range rapid.IntRange(2, 6).Draw(r, "customers") {
			store := s.replicas[c%2]
			steps := rapid.SliceOfN(rapid.Custom(draw), 1, 8).Draw(r, "steps")
			wg.Go(func() {
				released := map[int]bool{}
				for _, step := range steps {
					step.order %= orders
					err := step.take(t.Context(), store, fmt.Sprintf("o-%d-%d", round, step.order))
					switch status.Code(err) {
					case codes.OK:
						if released[step.order] && (step.what == reserve || step.what == commit) {
							t.Errorf("a released order was brought back by %s", step.what)
						}
						released[step.order] = released[step.order] || step.what == release
					case codes.FailedPrecondition, codes.InvalidArgument: // refused: another's lines, sold out, released
					case codes.Canceled:
						if step.patience == 0 {
							t.Errorf("%s was cancelled, and not by us: %v", step.what, err)
						}
					default:
						t.Errorf("%s: %v", step.what, err)
					}
				}
			})
		}
		wg.Wait()
		s.audit(r)
	})
}

type action string

const (
	reserve action = "reserve"
	commit  action = "commit"
	release action = "release"
	expire  action = "expire"
)

type step struct {
	what     action
	order    int
	lines    []inventory.Line
	patience time.Duration // until the caller hangs up; 0: never
}

func draw(r *rapid.T) step {
	s := step{
		what:  rapid.SampledFrom([]action{reserve, reserve, reserve, commit, release, expire}).Draw(r, "what"),
		order: rapid.IntRange(0, 3).Draw(r, "order"),
	}
	for _, sku := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"P00005", "P00012", "P00025"}), 1, 3, rapid.ID).Draw(r, "skus") {
		s.lines = append(s.lines, line(sku, rapid.Int32Range(1, 20).Draw(r, "quantity")))
	}
	if rapid.Bool().Draw(r, "impatient") {
		s.patience = time.Duration(rapid.IntRange(1, 2000).Draw(r, "patience")) * time.Microsecond
	}
	return s
}

// take returns what the server would answer.
func (s step) take(ctx context.Context, store *inventory.Store, order string) error {
	if s.patience > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		defer time.AfterFunc(s.patience, cancel).Stop()
	}
	var err error
	switch s.what {
	case reserve:
		_, err = store.Reserve(ctx, order, s.lines)
	case commit:
		_, err = store.Commit(ctx, order)
	case release:
		_, err = store.Release(ctx, order)
	case expire:
		_, err = store.Expire(ctx, 2)
	}
	return serve.Status(ctx, err)
}

// TestTheSchemaItselfRefuses breaks each rule by hand: the checks that the
// audit relies on must be able to fire.
func TestTheSchemaItselfRefuses(t *testing.T) {
	s := newShop(t, time.Hour)
	for _, r := range []struct{ why, sql string }{
		{"more reserved than on hand", `UPDATE stock SET reserved = on_hand + 1 WHERE sku = 'P00005'`},
		{"stock that vanishes", `UPDATE stock SET on_hand = on_hand - 1 WHERE sku = 'P00005'`},
		{"negative reservations", `UPDATE stock SET reserved = -1 WHERE sku = 'P00005'`},
		{"a line of nothing", `INSERT INTO reservations VALUES ('o', '{P00005}', '{0}', 'held', now())`},
		{"a line without a quantity", `INSERT INTO reservations VALUES ('o', '{P00005}', '{}', 'held', now())`},
		{"an order without lines", `INSERT INTO reservations VALUES ('o', '{}', '{}', 'held', now())`},
		{"an unknown state", `INSERT INTO reservations VALUES ('o', '{P00005}', '{1}', 'gone', now())`},
	} {
		if _, err := s.db.Exec(t.Context(), r.sql); err == nil {
			t.Errorf("%s was accepted", r.why)
		}
	}
	s.audit(t)
}

// TestDurability: nothing is traded for speed.
func TestDurability(t *testing.T) {
	s := newShop(t, time.Hour)
	for _, name := range []string{"fsync", "synchronous_commit", "full_page_writes"} {
		var on string
		if err := s.db.QueryRow(t.Context(), `SELECT current_setting($1)`, name).Scan(&on); err != nil || on != "on" {
			t.Errorf("%s is %q (%v), want on", name, on, err)
		}
	}
}
