package serve

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Status returns the gRPC status that an error of a handler means. An error
// that carries a status, even deep inside, keeps its code. Otherwise: a
// deadline that has passed is DEADLINE_EXCEEDED, a store that cannot be
// reached or is going away is UNAVAILABLE, a transaction that lost against
// another one is ABORTED, and the rest is INTERNAL. Nil stays nil.
//
// Handlers may return plain errors: the server applies Status to them.
func Status(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if s, ok := status.FromError(err); ok {
		return s.Err()
	}
	// The store's errors wrap the context's when a query was cut off; the
	// end of the request is the truer name then.
	if cause := ctx.Err(); cause != nil {
		return status.Error(status.FromContextError(cause).Code(), err.Error())
	}
	return status.Error(code(err), err.Error())
}

func code(err error) codes.Code {
	var answer *pgconn.PgError
	if errors.As(err, &answer) {
		return sqlCode(answer.Code)
	}
	var connect *pgconn.ConnectError
	var network net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), pgconn.Timeout(err):
		return codes.DeadlineExceeded
	case errors.Is(err, context.Canceled):
		return codes.Canceled
	case errors.As(err, &connect), errors.As(err, &network), pgconn.SafeToRetry(err),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNREFUSED):
		return codes.Unavailable
	}
	return codes.Internal
}

// sqlCode reads a SQLSTATE.
func sqlCode(state string) codes.Code {
	switch {
	case state == "57014": // query_canceled: by statement_timeout, for the request's own end was looked at before
		return codes.DeadlineExceeded
	case strings.HasPrefix(state, "08"), // connection exception
		strings.HasPrefix(state, "57P"), // shutting down, starting up
		strings.HasPrefix(state, "53"),  // out of connections, memory or disk
		state == "25006",                // read-only: not the primary
		state == "25P03":                // idle in transaction for too long: the connection was ended
		return codes.Unavailable
	case strings.HasPrefix(state, "40"), // serialization failure, deadlock
		state == "55P03": // lock not available
		return codes.Aborted
	}
	return codes.Internal
}
