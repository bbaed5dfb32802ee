package serve

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bedlamlab/bedlam/services/internal/call"
)

// Peer returns the connection to another service: all of its instances, under
// the policy of the edge. It is made when first asked for and shared.
func (e *Env) Peer(service string) grpc.ClientConnInterface {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c, ok := e.peers[service]; ok {
		return c
	}
	c, err := call.New(service, e.Assignment.Peers[service], e.Assignment.Policies[service], e.Log)
	if err != nil {
		// An address that cannot be parsed: the assignment is wrong. The
		// service says so with every call instead of not starting at all.
		e.Log.Error("a peer cannot be called", "peer", service, "error", err)
		return broken{status.Error(codes.Unavailable, err.Error())}
	}
	e.peers[service] = c
	return c
}

// Setting returns a setting of the service, "" if there is none.
func (e *Env) Setting(name string) string { return e.Assignment.Settings[name] }

func (e *Env) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for name, c := range e.peers {
		if err := c.Close(); err != nil {
			e.Log.Warn("closing connections", "peer", name, "error", err)
		}
	}
	if e.DB != nil {
		e.DB.Close()
	}
}

// broken answers every call with the same error.
type broken struct{ err error }

func (b broken) Invoke(context.Context, string, any, any, ...grpc.CallOption) error { return b.err }

func (b broken) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, b.err
}
