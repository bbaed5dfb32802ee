package gateway_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/bedlamlab/bedlam/services/gateway"
)

func TestTheGateLetsTheMoreUrgentInFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := gateway.NewGate(2)
		ctx := t.Context()
		for range 2 {
			if err := g.Enter(ctx, gateway.Browsing); err != nil {
				t.Fatal(err)
			}
		}
		in := make(chan gateway.Class)
		for _, c := range []gateway.Class{gateway.Prefetching, gateway.Browsing, gateway.Buying} {
			go func() {
				if err := g.Enter(ctx, c); err != nil {
					t.Error(err)
				}
				in <- c
			}()
			synctest.Wait()
			if n := g.Waiting(c); n != 1 {
				t.Fatalf("%d of %v stand in line, want 1", n, c)
			}
		}
		g.Leave()
		if got := <-in; got != gateway.Buying {
			t.Errorf("first came %v, want buying", got)
		}
		g.Leave()
		if got := <-in; got != gateway.Browsing {
			t.Errorf("then came %v, want browsing", got)
		}
		if g.Waiting(gateway.Prefetching) != 1 {
			t.Error("guesses of a browser are in, though half of the slots are not free")
		}
		g.Leave()
		g.Leave()
		if got := <-in; got != gateway.Prefetching {
			t.Errorf("last came %v, want prefetching", got)
		}
	})
}

func TestAFullLineSheds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := gateway.NewGate(1)
		if err := g.Enter(t.Context(), gateway.Buying); err != nil {
			t.Fatal(err)
		}
		entered := make(chan error)
		go func() { entered <- g.Enter(t.Context(), gateway.Buying) }()
		synctest.Wait()
		if n := g.Waiting(gateway.Buying); n != 1 {
			t.Fatalf("%d of %v stand in line, want 1", n, gateway.Buying)
		}
		if err := g.Enter(t.Context(), gateway.Buying); !errors.Is(err, gateway.ErrShed) {
			t.Errorf("got %v, want to be shed", err)
		}
		g.Leave()
		if err := <-entered; err != nil {
			t.Errorf("who stood in line got %v", err)
		}
	})
}

func TestExpiredWorkIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := gateway.NewGate(1)
		if err := g.Enter(t.Context(), gateway.Browsing); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan error)
		go func() { gone <- g.Enter(ctx, gateway.Browsing) }()
		synctest.Wait()
		if n := g.Waiting(gateway.Browsing); n != 1 {
			t.Fatalf("%d of %v stand in line, want 1", n, gateway.Browsing)
		}
		cancel()
		if err := <-gone; !errors.Is(err, gateway.ErrShed) {
			t.Errorf("got %v, want to be shed", err)
		}
		if g.Waiting(gateway.Browsing) != 0 {
			t.Error("it still stands in line")
		}
		g.Leave()
		if g.Free() != 1 {
			t.Errorf("%d slots are free, want 1", g.Free())
		}
	})
}

// TestTheGateKeepsCount sends random crowds through: never more inside than
// there are slots, and all slots are free in the end.
func TestTheGateKeepsCount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slots := rapid.IntRange(1, 8).Draw(t, "slots")
		crowd := rapid.SliceOfN(rapid.IntRange(0, 2), 1, 60).Draw(t, "crowd")
		hurried := rapid.IntRange(1, 5).Draw(t, "one in so many is in a hurry")
		g := gateway.NewGate(slots)
		var inside, most atomic.Int32
		var all sync.WaitGroup
		for i, c := range crowd {
			all.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				if i%hurried == 0 {
					cancel()
				}
				if g.Enter(ctx, gateway.Class(c)) != nil {
					return
				}
				n := inside.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				inside.Add(-1)
				g.Leave()
			})
		}
		all.Wait()
		if int(most.Load()) > slots {
			t.Fatalf("%d were inside, there are %d slots", most.Load(), slots)
		}
		if g.Free() != slots {
			t.Fatalf("%d slots are free in the end, want %d", g.Free(), slots)
		}
	})
}

// TestShedding fills a gateway of one slot from the outside.
func TestShedding(t *testing.T) {
	s := open(t, nil, map[string]string{"slots": "1"})
	arrived, release := make(chan struct{}, 3), make(chan struct{})
	s.tell("catalog", func(ctx context.Context) error {
		arrived <- struct{}{}
		select {
		case <-release:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	held := make(chan answer)
	go func() { held <- s.get("/api/products/P00001") }()
	<-arrived
	// With the only slot taken, the second waits in line and is shed when
	// half of its time is gone.
	if a := s.get("/api/products/P00002"); a.code != 503 || a.header.Get("Retry-After") == "" {
		t.Errorf("got %d, Retry-After %q, want 503 with it", a.code, a.header.Get("Retry-After"))
	}
	if got := s.asked("catalog"); got != 1 {
		t.Errorf("the catalogue was asked %d times, want 1: nothing is done for what is shed", got)
	}
	close(release)
	<-held
	if a := s.get("/api/products/P00002"); a.code != 200 {
		t.Errorf("with room again: got %d", a.code)
	}
	if a := s.get("/api/products/P00002", "Sec-Purpose", "prefetch"); a.code != 200 {
		t.Errorf("prefetching in a quiet shop: got %d", a.code)
	}
}
