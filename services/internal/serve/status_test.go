package serve_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bedlamlab/bedlam/services/internal/serve"
)

func TestStatus(t *testing.T) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	sql := func(state string) error { return fmt.Errorf("asking: %w", &pgconn.PgError{Code: state}) }
	for _, c := range []struct {
		why  string
		ctx  context.Context
		err  error
		want codes.Code
	}{
		{"no error", context.Background(), nil, codes.OK},
		{"a status keeps its code, also inside", context.Background(), fmt.Errorf("asking: %w", status.Error(codes.NotFound, "none")), codes.NotFound},
		{"a status outlives its request", ended, status.Error(codes.FailedPrecondition, "no"), codes.FailedPrecondition},
		{"the end of the request explains the rest", ended, errors.New("broken"), codes.Canceled},
		{"a deadline inside", context.Background(), fmt.Errorf("asking: %w", context.DeadlineExceeded), codes.DeadlineExceeded},
		{"a store that refuses connections", context.Background(), fmt.Errorf("asking: %w", syscall.ECONNREFUSED), codes.Unavailable},
		{"a network error", context.Background(), &net.OpError{Op: "dial", Err: errors.New("no route")}, codes.Unavailable},
		{"a connection cut off", context.Background(), fmt.Errorf("reading: %w", io.ErrUnexpectedEOF), codes.Unavailable},
		{"shutting down", context.Background(), sql("57P01"), codes.Unavailable},
		{"starting up", context.Background(), sql("57P03"), codes.Unavailable},
		{"too many connections", context.Background(), sql("53300"), codes.Unavailable},
		{"connection lost", context.Background(), sql("08006"), codes.Unavailable},
		{"no longer the primary", context.Background(), sql("25006"), codes.Unavailable},
		{"statement timeout", context.Background(), sql("57014"), codes.DeadlineExceeded},
		{"serialization failure", context.Background(), sql("40001"), codes.Aborted},
		{"deadlock", context.Background(), sql("40P01"), codes.Aborted},
		{"lock not available", context.Background(), sql("55P03"), codes.Aborted},
		{"a broken constraint nobody expected", context.Background(), sql("23505"), codes.Internal},
		{"no rows where there must be some", context.Background(), pgx.ErrNoRows, codes.Internal},
		{"anything else", context.Background(), errors.New("broken"), codes.Internal},
	} {
		t.Run(c.why, func(t *testing.T) {
			if got := status.Code(serve.Status(c.ctx, c.err)); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
