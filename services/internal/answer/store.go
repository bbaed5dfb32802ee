package answer

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// SQLSTATE codes of PostgreSQL that the shop reacts to.
const (
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	lockNotAvailable     = "55P03"
	queryCanceled        = "57014"
	readOnlyTransaction  = "25006" // a demoted primary
)

// Store says what doing something in PostgreSQL failed with. An error that is
// a status already is returned as it is, and nil as nil.
//
//   - ABORTED: broken off for the sake of another transaction; nothing was done.
//   - DEADLINE_EXCEEDED, CANCELED: the time was up; it may have been done.
//   - UNAVAILABLE: the server or the way to it is gone; it may have been done.
//   - INTERNAL: anything else, which asking again will not mend.
func Store(doing string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := status.FromError(err); ok {
		return err
	}
	return status.Errorf(storeCode(err), "%s: %v", doing, err)
}

func storeCode(err error) codes.Code {
	var server *pgconn.PgError
	var dial *pgconn.ConnectError
	var network net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return codes.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return codes.DeadlineExceeded
	case errors.As(err, &server):
		return serverCode(server.Code)
	case errors.As(err, &dial), errors.As(err, &network), pgconn.SafeToRetry(err),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, net.ErrClosed), errors.Is(err, puddle.ErrClosedPool):
		return codes.Unavailable
	}
	return codes.Internal
}

func serverCode(code string) codes.Code {
	switch code {
	case serializationFailure, deadlockDetected, lockNotAvailable:
		return codes.Aborted
	case queryCanceled:
		return codes.DeadlineExceeded
	case readOnlyTransaction:
		return codes.Unavailable
	}
	// Class 08: connection; 53: out of connections, memory or disk; 57P:
	// shutting down, crashed or still starting; 58: the machine below.
	for _, class := range []string{"08", "53", "57P", "58"} {
		if strings.HasPrefix(code, class) {
			return codes.Unavailable
		}
	}
	return codes.Internal
}

// attempts is how often Again tries in all. Whoever loses a deadlock is alone
// on its rows the next time but for newcomers; a third loss in a row means
// contention that the caller's back-off resolves better than we do.
const attempts = 3

// Again calls f, and calls it again at once if PostgreSQL broke it off to end a
// deadlock or a serialization conflict, three times in all. f must be safe to
// repeat.
func Again(ctx context.Context, f func(context.Context) error) error {
	var err error
	for range attempts {
		err = f(ctx)
		var server *pgconn.PgError
		if !errors.As(err, &server) || serverCode(server.Code) != codes.Aborted || ctx.Err() != nil {
			return err
		}
	}
	return err
}
