package collector_test

import (
	"math/rand/v2"
	"testing"

	"github.com/bedlamlab/bedlam/observability/collector"
)

func TestFirstFailingHop(t *testing.T) {
	for name, c := range map[string]struct {
		picture string
		site    string // "": none failed
		error   string
	}{
		"all is well": {`
		loader->gateway 200
		  gateway 200
		    gateway->catalog #1 OK
		      catalog OK`, "", ""},
		"nothing at all": {"(x)", "", ""},
		"the gateway is down": {`
		loader->gateway ✗`, "loader->gateway", "failed"},
		"a killed callee exports nothing": {`
		loader->gateway ✗ 503
		  gateway ✗ 503
		    gateway->checkout #1 ✗ UNAVAILABLE
		    gateway->checkout #2 ✗ UNAVAILABLE`, "gateway->checkout", "UNAVAILABLE"},
		"a killed callee, whose own callees did export": {`
		loader->gateway ✗ 503
		  gateway ✗ 503
		    gateway->checkout #1 ✗ UNAVAILABLE
		    ! checkout->payment #1 ✗ DEADLINE_EXCEEDED
		      payment ✗`, "gateway->checkout", "UNAVAILABLE"},
		"the breaker is open at the caller": {`
		loader->gateway ✗ 503
		  gateway ✗ 503
		    gateway->checkout #1 ✗ UNAVAILABLE
		      checkout ✗ UNAVAILABLE
		        checkout->payment #1 ✗ UNAVAILABLE -- call.breaker=open`, "checkout->payment", "breaker open"},
		"timeout at depth, then the parents fail one after the other": {`
		loader->gateway ✗ 504
		  gateway ✗ 504
		    gateway->checkout #1 ✗ DEADLINE_EXCEEDED
		      checkout ✗ DEADLINE_EXCEEDED
		        checkout->cart #1 OK
		          cart OK
		        checkout->payment #1 ✗ DEADLINE_EXCEEDED
		          payment ✗ DEADLINE_EXCEEDED
		            payment->bank #1 ✗ DEADLINE_EXCEEDED
		        checkout->payment #2 ✗ DEADLINE_EXCEEDED
		          payment x`, "payment->bank", "DEADLINE_EXCEEDED"},
		"the second attempt succeeded": {`
		loader->gateway 200
		  gateway 200
		    gateway->catalog #1 ✗ UNAVAILABLE
		    gateway->catalog #2 OK
		      catalog OK`, "", ""},
		"the second attempt succeeded, and something else failed": {`
		loader->gateway ✗ 503
		  gateway ✗ 503
		    gateway->catalog #1 ✗ UNAVAILABLE
		    gateway->catalog #2 OK
		      catalog OK
		    gateway->cart #1 ✗ UNAVAILABLE`, "gateway->cart", "UNAVAILABLE"},
		"the callee's first call was repeated, its second was not": {`
		loader->gateway ✗ 503
		  gateway ✗ 503
		    gateway->catalog #1 ✗ UNAVAILABLE
		    gateway->catalog #2 OK
		    gateway->catalog #1 ✗ DEADLINE_EXCEEDED`, "gateway->catalog", "DEADLINE_EXCEEDED"},
		"attempts that failed differently: the deepest tells most": {`
		loader->gateway ✗ 503
		  gateway ✗ 503
		    gateway->catalog #1 ✗ UNAVAILABLE
		    gateway->catalog #2 ✗ INTERNAL
		      catalog ✗ INTERNAL
		        catalog->postgres ✗ 57P01`, "catalog->postgres", "57P01"},
		"SQL fails": {`
		loader->gateway ✗ 500
		  gateway ✗ 500
		    gateway->cart #1 ✗ INTERNAL
		      cart ✗ INTERNAL
		        cart->postgres
		        cart->postgres ✗ 53300`, "cart->postgres", "53300"},
		"a statement was repeated, and something else failed": {`
		loader->gateway ✗ 500
		  gateway ✗ 500
		    gateway->payment #1 ✗ UNAVAILABLE
		      payment ✗ UNAVAILABLE
		        payment->postgres ✗ 40001 -- db.query.text=UPDATE
		        payment->postgres -- db.query.text=UPDATE
		        payment->bank #1 ✗ UNAVAILABLE`, "payment->bank", "UNAVAILABLE"},
		"a statement failed, another went well": {`
		loader->gateway ✗ 500
		  gateway ✗ 500
		    gateway->cart #1 ✗ INTERNAL
		      cart ✗ INTERNAL
		        cart->postgres ✗ 08006 -- db.query.text=UPDATE
		        cart->postgres -- db.query.text=ROLLBACK`, "cart->postgres", "08006"},
		"an optional edge failed, the answer was good": {`
		loader->gateway 200
		  gateway 200 -- call.fallback=true call.fallback.for=recommend
		    gateway->recommend #1 ✗ DEADLINE_EXCEEDED
		      recommend x`, "", ""},
		"an optional edge failed first, then one that matters": {`
		loader->gateway ✗ 503
		  gateway ✗ 503 -- call.fallback=true call.fallback.for=recommend
		    gateway->recommend #1 ✗ DEADLINE_EXCEEDED
		      recommend ✗
		        recommend->catalog #1 ✗ DEADLINE_EXCEEDED
		    gateway->catalog #1 ✗ UNAVAILABLE`, "gateway->catalog", "UNAVAILABLE"},
		"the compensation fails after what it makes good": {`
		loader->gateway ✗ 503
		  gateway ✗ 503
		    gateway->checkout #1 ✗ UNAVAILABLE
		      checkout ✗ UNAVAILABLE
		        checkout->payment #1 ✗ UNAVAILABLE
		        checkout->inventory #1 ✗ UNAVAILABLE
		          inventory ✗ UNAVAILABLE
		            inventory->postgres ✗ 57P01`, "checkout->payment", "UNAVAILABLE"},
		"a store is not there": {`
		loader->gateway ✗ 500
		  gateway ✗ 500
		    gateway->cart #1 ✗ UNAVAILABLE
		      cart ✗ UNAVAILABLE
		        cart->postgres ✗ -- message=127.0.0.1:20076:_connection_refused`, "cart->postgres", "connection refused"},
		"a callee fails by itself: its edge": {`
		loader->gateway ✗ 500
		  gateway ✗ 500
		    gateway->orders #1 ✗ INTERNAL
		      orders ✗ INTERNAL
		        (orders) ✗`, "gateway->orders", "failed"},
		"the gateway fails by itself": {`
		loader->gateway ✗ 500
		  gateway ✗ 500
		    gateway->orders #1 OK`, "loader->gateway", "500"},
		"background work without a caller": {`
		(orders) ✗`, "orders", "failed"},
		"a server without a client above": {`
		shipping ✗ INTERNAL`, "shipping", "INTERNAL"},
		"the bulkhead is full": {`
		loader->gateway ✗ 503
		  gateway ✗ 503 -- call.bulkhead.full=catalog`, "gateway->catalog", "bulkhead full"},
		"a cancelled server is looked through": {`
		loader->gateway ✗ 504
		  gateway ✗ 504
		    gateway->checkout #1 ✗ DEADLINE_EXCEEDED
		      checkout x
		        checkout->payment #1 ✗ DEADLINE_EXCEEDED`, "checkout->payment", "DEADLINE_EXCEEDED"},
		"all below was only cancelled": {`
		loader->gateway ✗
		  gateway x
		    gateway->catalog #1 x
		      catalog x`, "loader->gateway", "failed"},
		"a cancelled hedge is no failure": {`
		loader->gateway ✗ 503
		  gateway ✗ 503
		    gateway->catalog #1 x
		    gateway->catalog #2 OK
		    gateway->orders #1 ✗ UNAVAILABLE`, "gateway->orders", "UNAVAILABLE"},
		"a cancelled root is no failure": {`
		loader->gateway x`, "", ""},
		"the root was never exported": {`
		! gateway ✗ 503
		  gateway->cart #1 ✗ UNAVAILABLE`, "gateway->cart", "UNAVAILABLE"},
		"the root was never exported, one part is well": {`
		! catalog OK
		! cart ✗ INTERNAL`, "cart", "INTERNAL"},
	} {
		t.Run(name, func(t *testing.T) {
			spans := draw(t, c.picture)
			for range 5 { // the order in which spans arrive says nothing
				got, ok := collector.FirstFailingHop(spans)
				if ok != (c.site != "") || got.Site != c.site || got.Error != c.error {
					t.Fatalf("hop %q with %q (%v), want %q with %q", got.Site, got.Error, ok, c.site, c.error)
				}
				rand.Shuffle(len(spans), func(i, j int) { spans[i], spans[j] = spans[j], spans[i] })
			}
		})
	}
}

func TestNoSpansNoHop(t *testing.T) {
	if h, ok := collector.FirstFailingHop(nil); ok {
		t.Errorf("no spans, but a hop: %+v", h)
	}
}
