package orders_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bedlamlab/bedlam/services/orders/orderspb"
)

func request(order string) *orderspb.CreateRequest {
	return &orderspb.CreateRequest{Order: order, Key: "key of " + order, Customer: "ada", Total: 700, Lines: []*orderspb.Line{
		{Sku: "P2", Quantity: 2, Price: 150}, {Sku: "P1", Quantity: 1, Price: 400}}}
}

func TestLife(t *testing.T) {
	s := start(t, 2)
	ctx := t.Context()
	one, two := s.replicas[0], s.replicas[1]
	for i, c := range []orderspb.OrdersClient{one, two, one} {
		o, err := c.Create(ctx, request("o-1"))
		if err != nil {
			t.Fatalf("create %d: %v", i+1, err)
		}
		if o.GetState() != "PENDING" || o.GetTotal() != 700 || len(o.GetLines()) != 2 || o.GetLines()[0].GetSku() != "P1" {
			t.Errorf("create %d: got %v", i+1, o)
		}
	}
	s.shipping.hold() // so that the order stays PAID for a while
	for i, c := range []orderspb.OrdersClient{one, two} {
		if o, err := c.MarkPaid(ctx, &orderspb.MarkRequest{Order: "o-1"}); err != nil || o.GetState() != "PAID" {
			t.Errorf("paid %d: got %v, %v", i+1, o, err)
		}
	}
	if _, err := one.Cancel(ctx, &orderspb.CancelRequest{Order: "o-1", Reason: "changed my mind"}); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("cancelling a paid order: got %v, want FAILED_PRECONDITION", err)
	}
	s.shipping.letGo()
	s.await("o-1", "SHIPPED")
	if o, err := two.MarkPaid(ctx, &orderspb.MarkRequest{Order: "o-1"}); err != nil || o.GetState() != "SHIPPED" {
		t.Errorf("paid once more, after it was shipped: got %v, %v", o, err)
	}
	s.wantTransitions("o-1", "1 PENDING>PAID", "2 PAID>SHIPPED")
	s.wantOutbox("o-1", 1, 1)
}

func TestCancel(t *testing.T) {
	s := start(t, 2)
	ctx := t.Context()
	if _, err := s.replicas[0].Create(ctx, request("o-1")); err != nil {
		t.Fatal(err)
	}
	for i, c := range s.replicas {
		o, err := c.Cancel(ctx, &orderspb.CancelRequest{Order: "o-1", Reason: fmt.Sprintf("reason %d", i+1)})
		if err != nil || o.GetState() != "CANCELLED" || o.GetReason() != "reason 1" {
			t.Errorf("cancel %d: got %v, %v, want the first reason", i+1, o, err)
		}
	}
	if _, err := s.replicas[1].MarkPaid(ctx, &orderspb.MarkRequest{Order: "o-1"}); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("paying a cancelled order: got %v, want FAILED_PRECONDITION", err)
	}
	if o, err := s.replicas[1].Create(ctx, request("o-1")); err != nil || o.GetState() != "CANCELLED" {
		t.Errorf("a late create: got %v, %v, want the cancelled order", o, err)
	}
	s.wantTransitions("o-1", "1 PENDING>CANCELLED")
	s.wantOutbox("o-1", 0, 0)
}

func TestRefusals(t *testing.T) {
	s := start(t, 1)
	ctx := t.Context()
	c := s.replicas[0]
	if _, err := c.Create(ctx, request("o-1")); err != nil {
		t.Fatal(err)
	}
	with := func(change func(*orderspb.CreateRequest)) *orderspb.CreateRequest {
		r := request("o-2")
		change(r)
		return r
	}
	for _, row := range []struct {
		why  string
		r    *orderspb.CreateRequest
		want codes.Code
	}{
		{"no order", with(func(r *orderspb.CreateRequest) { r.Order = "" }), codes.InvalidArgument},
		{"no key", with(func(r *orderspb.CreateRequest) { r.Key = "" }), codes.InvalidArgument},
		{"nothing bought", with(func(r *orderspb.CreateRequest) { r.Lines, r.Total = nil, 0 }), codes.InvalidArgument},
		{"a total that is not the sum", with(func(r *orderspb.CreateRequest) { r.Total++ }), codes.InvalidArgument},
		{"a negative price", with(func(r *orderspb.CreateRequest) { r.Lines[0].Price = -1 }), codes.InvalidArgument},
		{"a product twice", with(func(r *orderspb.CreateRequest) { r.Lines[1].Sku = r.Lines[0].Sku }), codes.InvalidArgument},
		{"nothing of a product", with(func(r *orderspb.CreateRequest) { r.Lines[0].Quantity = 0 }), codes.InvalidArgument},
		{"a key that has bought another order", with(func(r *orderspb.CreateRequest) { r.Key = "key of o-1" }), codes.FailedPrecondition},
		{"an order of the same total with other products", with(func(r *orderspb.CreateRequest) {
			r.Order, r.Key, r.Lines[1].Sku = "o-1", "key of o-1", "P3"
		}), codes.FailedPrecondition},
		{"an order of the same total with other quantities", with(func(r *orderspb.CreateRequest) {
			r.Order, r.Key, r.Lines[0].Quantity, r.Lines[0].Price = "o-1", "key of o-1", 1, 300
		}), codes.FailedPrecondition},
		{"an order of the same total with another line", with(func(r *orderspb.CreateRequest) {
			r.Order, r.Key, r.Lines = "o-1", "key of o-1", append(r.Lines, &orderspb.Line{Sku: "P3", Quantity: 1})
		}), codes.FailedPrecondition},
		{"an order with another customer", with(func(r *orderspb.CreateRequest) { r.Order, r.Key = "o-1", "key of o-1"; r.Customer = "eve" }), codes.FailedPrecondition},
	} {
		if _, err := c.Create(ctx, row.r); status.Code(err) != row.want {
			t.Errorf("%s: got %v, want %v", row.why, err, row.want)
		}
	}
	_, paid := c.MarkPaid(ctx, &orderspb.MarkRequest{Order: "o-9"})
	_, cancelled := c.Cancel(ctx, &orderspb.CancelRequest{Order: "o-9", Reason: "none"})
	_, got := c.Get(ctx, &orderspb.GetRequest{Order: "o-9"})
	for why, err := range map[string]error{"paying": paid, "cancelling": cancelled, "reading": got} {
		if status.Code(err) != codes.NotFound {
			t.Errorf("%s an order that is not there: got %v, want NOT_FOUND", why, err)
		}
	}
	var lines int
	s.query(`SELECT count(*) FROM orders.audit_lines`, &lines)
	if lines != 2 {
		t.Errorf("after refusals there are %d lines, want the 2 of the one order", lines)
	}
}

// TestPaidOrCancelled lets payers and cancellers meet on the same orders.
func TestPaidOrCancelled(t *testing.T) {
	s := start(t, 2)
	const orders = 20
	var work sync.WaitGroup
	outcomes := make([][2]error, orders)
	for i := range orders {
		order := fmt.Sprintf("o-%d", i)
		if _, err := s.replicas[0].Create(t.Context(), request(order)); err != nil {
			t.Fatal(err)
		}
		work.Go(func() {
			_, outcomes[i][0] = s.replicas[i%2].MarkPaid(context.Background(), &orderspb.MarkRequest{Order: order})
		})
		work.Go(func() {
			_, outcomes[i][1] = s.replicas[1-i%2].Cancel(context.Background(), &orderspb.CancelRequest{Order: order, Reason: "race"})
		})
	}
	work.Wait()
	for i, o := range outcomes {
		if (o[0] == nil) == (o[1] == nil) {
			t.Errorf("order %d: paid %v, cancelled %v, want exactly one", i, o[0], o[1])
			continue
		}
		order := fmt.Sprintf("o-%d", i)
		if o[0] == nil {
			s.await(order, "SHIPPED")
			s.wantTransitions(order, "1 PENDING>PAID", "2 PAID>SHIPPED")
		} else {
			s.wantTransitions(order, "1 PENDING>CANCELLED")
			s.wantOutbox(order, 0, 0)
		}
	}
}
