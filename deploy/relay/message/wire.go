package message

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
)

// A Wire is one connection of a caller's and the one to the callee that belongs
// to it.
type Wire struct {
	Caller, Callee *net.TCPConn
	// GRPC says that the callers speak gRPC: HTTP/2 from the first byte, and an
	// answer of ours is one of gRPC. Otherwise the first bytes decide, and each
	// request's Content-Type.
	GRPC bool
	// Fate is asked about every request, in the order in which they come, by
	// one goroutine at a time. It must not block.
	Fate func(Request) Fate
	// Dial makes another connection to the callee, for copies.
	Dial func(context.Context) (net.Conn, error)
	// Go runs what may outlive the connection: a copy that is under way.
	Go func(func())
}

// Run joins the two connections until both are over or ctx is done, and closes
// them: with a reset, unless both parties had said that they are through.
func (w Wire) Run(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() { hangUp(w.Caller, w.Callee) })
	defer stop()
	said := bufio.NewReaderSize(w.Caller, readSize)
	second, err := w.GRPC, error(nil)
	if !second {
		// No method of HTTP/1 is called so.
		var first []byte
		first, err = said.Peek(len("PRI"))
		second = string(first) == "PRI"
	}
	switch {
	case second:
		runStreams(ctx, w, said)
	case err != nil && !errors.Is(err, io.EOF):
		hangUp(w.Caller, w.Callee)
	default:
		runExchanges(ctx, w, said)
	}
}

// readSize is one frame of the largest size that nobody has to ask for, and
// its head.
const readSize = 16<<10 + headSize

// hangUp closes connections with a reset.
func hangUp(conns ...*net.TCPConn) {
	for _, c := range conns {
		c.SetLinger(0)
		c.Close()
	}
}

// isGRPC reports whether a Content-Type is one of gRPC's.
func isGRPC(contentType string) bool { return strings.HasPrefix(contentType, "application/grpc") }
