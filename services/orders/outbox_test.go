package orders_test

import (
	"fmt"
	"testing"

	"github.com/bedlamlab/bedlam/services/internal/proctest"
	"github.com/bedlamlab/bedlam/services/orders/orderspb"
)

// TestCrashBetweenDeliverAndMark kills the replica that has delivered an event
// and not yet heard the answer: the other one delivers it again, and it is
// shipped once.
func TestCrashBetweenDeliverAndMark(t *testing.T) {
	s := start(t, 0)
	doomed := proctest.Start(t, s.assignment(1))
	s.shipping.dropAnswers()
	c := s.dial(doomed.Address)
	pay(t, c, "o-1")
	s.shipping.awaitDelivered("o-1", 1)
	doomed.Kill()
	s.shipping.letGo()
	s.run(2)
	s.await("o-1", "SHIPPED")
	if n := s.shipping.delivered("o-1"); n < 2 {
		t.Errorf("the event was delivered %d times, so nothing was tested", n)
	}
	s.wantTransitions("o-1", "1 PENDING>PAID", "2 PAID>SHIPPED")
	s.wantOutbox("o-1", 1, 1)
	s.wantShipments(1)
}

// TestOutageOfShipping pays orders while shipping does not answer; when it does
// again, all of them are shipped, each once, although its answers are lost for
// a while longer.
func TestOutageOfShipping(t *testing.T) {
	s := start(t, 2)
	s.shipping.fail()
	const orders = 60
	for i := range orders {
		pay(t, s.replicas[i%2], fmt.Sprintf("o-%d", i))
	}
	s.shipping.awaitRefused(5)
	s.shipping.dropAnswers()
	s.shipping.awaitDelivered("", 3)
	s.shipping.letGo()
	for i := range orders {
		s.await(fmt.Sprintf("o-%d", i), "SHIPPED")
	}
	s.wantShipments(orders)
	var twice int
	s.query(`SELECT count(*) FROM (SELECT order_id FROM orders.audit_transitions WHERE to_state = 'SHIPPED' GROUP BY order_id HAVING count(*) > 1) AS t`, &twice)
	if twice != 0 {
		t.Errorf("%d orders went to SHIPPED twice", twice)
	}
}

// TestRefusedEventBlocksNoOther: shipping does not want one event, for good.
func TestRefusedEventBlocksNoOther(t *testing.T) {
	s := start(t, 1)
	s.shipping.refuse("o-bad")
	pay(t, s.replicas[0], "o-bad")
	s.shipping.awaitRefused(1)
	for i := range 20 {
		pay(t, s.replicas[0], fmt.Sprintf("o-%d", i))
	}
	for i := range 20 {
		s.await(fmt.Sprintf("o-%d", i), "SHIPPED")
	}
	s.wantOutbox("o-bad", 1, 0)
	s.wantShipments(20)
}

// TestDrain stops a replica while an event is under way: it is settled first.
func TestDrain(t *testing.T) {
	s := start(t, 0)
	leaving := proctest.Start(t, s.assignment(1))
	s.shipping.hold()
	pay(t, s.dial(leaving.Address), "o-1")
	s.shipping.awaitRefused(1) // it is waiting for the answer
	s.shipping.letGo()
	leaving.Terminate()
	var state string
	s.query(`SELECT state FROM orders.audit_orders`, &state)
	if state != "SHIPPED" {
		t.Errorf("after draining the order is %s, want SHIPPED", state)
	}
	s.wantOutbox("o-1", 1, 1)
}

func pay(t *testing.T, c orderspb.OrdersClient, order string) {
	t.Helper()
	if _, err := c.Create(t.Context(), request(order)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.MarkPaid(t.Context(), &orderspb.MarkRequest{Order: order}); err != nil {
		t.Fatal(err)
	}
}
