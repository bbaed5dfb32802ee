package fault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/bedlamlab/bedlam/topology"
)

// pings holds, for each protocol, the shortest thing that a client may say
// first to which every server answers, with or without a login.
var pings = map[topology.Protocol]string{
	topology.HTTP: "GET /healthz HTTP/1.1\r\nHost: ping\r\nConnection: close\r\n\r\n",
	// The connection preface of RFC 9113, section 3.4, and an empty SETTINGS
	// frame: a server must answer with its own SETTINGS.
	topology.GRPC: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + "\x00\x00\x00\x04\x00\x00\x00\x00\x00",
	// SSLRequest of PostgreSQL's protocol 3.0: a server answers S or N.
	topology.Postgres: "\x00\x00\x00\x08\x04\xd2\x16\x2f",
}

// Ping opens a connection of its own to address, asks for the first answer of
// the protocol and returns how long that took, the set-up included. It is the
// runner's witness: the same edge as the shop's requests, but none of them.
func Ping(ctx context.Context, protocol topology.Protocol, address string) (time.Duration, error) {
	hello, ok := pings[protocol]
	if !ok {
		return 0, fmt.Errorf("no ping for protocol %q", protocol)
	}
	begin := time.Now()
	conn, err := dial(ctx, address)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, hello); err != nil {
		return 0, err
	}
	var first [1]byte
	if _, err := io.ReadFull(conn, first[:]); err != nil {
		return 0, err
	}
	return time.Since(begin), nil
}

// dial connects for as long as ctx lasts.
func dial(ctx context.Context, address string) (*net.TCPConn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			conn.Close()
			return nil, err
		}
	}
	return conn.(*net.TCPConn), nil
}

// silent reports whether a ping failed because nothing came, not because
// somebody said no.
func silent(err error) bool {
	var n net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &n) && n.Timeout()
}

// unanswered reports whether a ping failed because nothing came although it was
// connected.
func unanswered(err error) bool {
	var op *net.OpError
	return silent(err) && errors.As(err, &op) && op.Op == "read"
}
