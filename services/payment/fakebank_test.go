package payment_test

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/bedlamlab/bedlam/services/bank/bankpb"
	"github.com/bedlamlab/bedlam/services/internal/answer"
)

// fakeBank works as the bank does, out of memory.
type fakeBank struct {
	bankpb.UnimplementedBankServer
	mu   sync.Mutex
	keys map[string]*bankpb.Transaction
}

// newFakeBank serves a bank on the loopback and returns it with a client whose
// calls pass through the gates of their actor.
func newFakeBank(t testing.TB) (*fakeBank, bankpb.BankClient) {
	t.Helper()
	b := &fakeBank{keys: map[string]*bankpb.Transaction{}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	bankpb.RegisterBankServer(server, b)
	go server.Serve(l)
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient("passthrough:///"+l.Addr().String(),
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithUnaryInterceptor(gated))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return b, bankpb.NewBankClient(conn)
}

func (b *fakeBank) Charge(_ context.Context, r *bankpb.ChargeRequest) (*bankpb.Transaction, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t, ok := b.keys[r.GetKey()]
	if !ok {
		t = &bankpb.Transaction{Key: r.GetKey(), Id: "b-" + r.GetKey(), Reference: r.GetReference(), Amount: r.GetAmount(), State: "charged"}
		if strings.HasPrefix(r.GetCard(), "declined") {
			t.State = "declined"
		}
		b.keys[r.GetKey()] = t
	}
	switch t.GetState() {
	case "void":
		return nil, answer.Refused("VOID", "void")
	case "declined":
		return nil, answer.Refused("DECLINED", "declined")
	}
	if t.GetAmount() != r.GetAmount() || t.GetReference() != r.GetReference() {
		return nil, answer.Invalid("key", "stands for another charge")
	}
	return t, nil
}

func (b *fakeBank) Refund(_ context.Context, r *bankpb.RefundRequest) (*bankpb.Transaction, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t, ok := b.keys[r.GetChargeKey()]
	if !ok {
		return nil, status.Error(codes.NotFound, "no such charge")
	}
	if t.GetState() != "charged" && t.GetState() != "refunded" {
		return nil, answer.Refused("NOT_CHARGED", "not charged")
	}
	// A message that is being written must not change.
	t = &bankpb.Transaction{Key: t.GetKey(), Id: t.GetId(), Reference: t.GetReference(), Amount: t.GetAmount(), State: "refunded"}
	b.keys[t.GetKey()] = t
	return t, nil
}

func (b *fakeBank) Void(_ context.Context, r *bankpb.VoidRequest) (*bankpb.Transaction, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t, ok := b.keys[r.GetKey()]
	if !ok {
		t = &bankpb.Transaction{Key: r.GetKey(), Id: "b-" + r.GetKey(), State: "void"}
		b.keys[r.GetKey()] = t
	}
	return t, nil
}

// state returns what the bank knows of a key of payment's, "" if nothing.
func (b *fakeBank) state(key string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.keys["capture/"+key].GetState()
}
