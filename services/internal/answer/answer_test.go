package answer_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bedlamlab/bedlam/services/internal/answer"
)

func TestStore(t *testing.T) {
	pg := func(code string) error { return fmt.Errorf("wrapped: %w", &pgconn.PgError{Code: code}) }
	rows := []struct {
		why  string
		err  error
		want codes.Code
	}{
		{"a deadlock's loser did nothing", pg("40P01"), codes.Aborted},
		{"neither did a serialization failure", pg("40001"), codes.Aborted},
		{"a lock that was not waited for", pg("55P03"), codes.Aborted},
		{"statement_timeout", pg("57014"), codes.DeadlineExceeded},
		{"the server is told to stop", pg("57P01"), codes.Unavailable},
		{"the server is starting", pg("57P03"), codes.Unavailable},
		{"no connection is left", pg("53300"), codes.Unavailable},
		{"the disk is full", pg("53100"), codes.Unavailable},
		{"a standby", pg("25006"), codes.Unavailable},
		{"a broken rule of the schema is a bug, not weather", pg("23514"), codes.Internal},
		{"so is a syntax error", pg("42601"), codes.Internal},
		{"the caller's deadline", fmt.Errorf("timeout: %w", context.DeadlineExceeded), codes.DeadlineExceeded},
		{"the caller hung up", fmt.Errorf("x: %w", context.Canceled), codes.Canceled},
		{"the connection broke", fmt.Errorf("x: %w", io.ErrUnexpectedEOF), codes.Unavailable},
		{"nobody listens", &net.OpError{Op: "dial", Err: errors.New("connection refused")}, codes.Unavailable},
		{"a status stays what it is", status.Error(codes.NotFound, "gone"), codes.NotFound},
		{"unknown", errors.New("cannot scan"), codes.Internal},
	}
	for _, r := range rows {
		if got := status.Code(answer.Store("booking", r.err)); got != r.want {
			t.Errorf("%s: got %v, want %v", r.why, got, r.want)
		}
	}
	if answer.Store("booking", nil) != nil {
		t.Error("no error became one")
	}
}

func TestAgain(t *testing.T) {
	deadlock := &pgconn.PgError{Code: "40P01"}
	calls := 0
	err := answer.Again(t.Context(), func(context.Context) error {
		if calls++; calls == 1 {
			return deadlock
		}
		return nil
	})
	if err != nil || calls != 2 {
		t.Errorf("a deadlock that passes: got %v after %d calls, want nil after 2", err, calls)
	}
	calls = 0
	err = answer.Again(t.Context(), func(context.Context) error { calls++; return deadlock })
	if !errors.Is(err, deadlock) || calls != 3 {
		t.Errorf("a deadlock that stays: got %v after %d calls, want it back after 3", err, calls)
	}
	calls = 0
	broken := errors.New("broken")
	if err = answer.Again(t.Context(), func(context.Context) error { calls++; return broken }); !errors.Is(err, broken) || calls != 1 {
		t.Errorf("another error: got %v after %d calls, want it back after 1", err, calls)
	}
}

func TestReason(t *testing.T) {
	err := answer.Refused("SOLD_OUT", "%s is sold out", "P00005")
	if got := answer.Reason(err); got != "SOLD_OUT" || status.Code(err) != codes.FailedPrecondition {
		t.Errorf("got %q in %v", got, err)
	}
	if got := answer.Reason(status.Error(codes.FailedPrecondition, "SOLD_OUT")); got != "" {
		t.Errorf("a reason was read out of the words: %q", got)
	}
}

func TestText(t *testing.T) {
	for _, bad := range []string{"", "a\x00b", "line\nbreak", "\xff", strings.Repeat("x", answer.MaxText+1)} {
		if err := answer.Text("key", bad); status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "key") {
			t.Errorf("Text(%q) = %v, want INVALID_ARGUMENT that names the field", bad, err)
		}
	}
	for _, good := range []string{"a", "größe", strings.Repeat("x", answer.MaxText)} {
		if err := answer.Text("key", good); err != nil {
			t.Errorf("Text(%q) = %v", good, err)
		}
	}
}
