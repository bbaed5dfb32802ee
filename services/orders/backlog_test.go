package orders_test

import (
	"fmt"
	"testing"

	"github.com/bedlamlab/bedlam/services/internal/servetest"
	"github.com/bedlamlab/bedlam/services/orders"
)

// TestTheBacklogIsTold pays orders of which shipping does not want to hear, and
// then does.
func TestTheBacklogIsTold(t *testing.T) {
	s := start(t, 0)
	s.shipping.fail()
	told := servetest.NewHeld(t)
	a := s.assignment(1)
	a.Telemetry = told.URL
	address, _ := servetest.Start(t, orders.Run, a)
	c := s.dial(address)
	const waiting = 7
	for i := range waiting {
		pay(t, c, fmt.Sprintf("o-%d", i))
	}
	told.Await(t, "orders.outbox.backlog", waiting)
	s.shipping.letGo()
	told.Await(t, "orders.outbox.backlog", 0)
}
