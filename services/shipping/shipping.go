// Package shipping takes order events in and asks for the shipment of what was
// paid. It promises that an event it has answered is committed together with
// its effect, and that no event has an effect twice.
//
// [Run] runs one replica. The rules stand in this file, the server in
// server.go and the statements in postgres.go.
package shipping

import (
	"context"
	"embed"
	"encoding/json"
	"unicode/utf8"

	"google.golang.org/grpc"

	"github.com/bedlamlab/bedlam/services/internal/answer"
	"github.com/bedlamlab/bedlam/services/internal/serve"
	"github.com/bedlamlab/bedlam/services/shipping/shippingpb"
	"github.com/bedlamlab/bedlam/topology"
)

// paid is the one type of event that shipping acts on.
const paid = "order.paid"

// maxPayload bounds an event's payload, in bytes: an order of the 100 lines
// that a cart holds takes about 8 kB.
const maxPayload = 64 << 10

// errReused says that an event's id came back with another content.
var errReused = answer.Refused("EVENT_REUSED", "the event's id stands for another event")

// An event is what happened to an order.
type event struct {
	id, order, kind string
	payload         []byte
}

func (e event) validate() error {
	if err := answer.Text("event", e.id); err != nil {
		return err
	}
	if err := answer.Text("order", e.order); err != nil {
		return err
	}
	switch {
	case e.kind != paid:
		return answer.Invalid("type", "is %q, want %s", e.kind, paid)
	case len(e.payload) > maxPayload:
		return answer.Invalid("payload", "has %d bytes, want at most %d", len(e.payload), maxPayload)
	case !json.Valid(e.payload) || !utf8.Valid(e.payload):
		return answer.Invalid("payload", "is not JSON in UTF-8")
	}
	return nil
}

//go:embed migrations/*.sql
var files embed.FS

// Run serves one replica of shipping until ctx is done and it has drained.
func Run(ctx context.Context, a topology.Assignment) error {
	return serve.Run(ctx, a, serve.Service{
		Name:       "shipping",
		Migrations: files,
		Register: func(_ context.Context, e *serve.Env, s *grpc.Server) error {
			shippingpb.RegisterShippingServer(s, &server{store: postgres{e.DB}})
			return nil
		},
	})
}
