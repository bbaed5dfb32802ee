package answer_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bedlamlab/bedlam/services/internal/answer"
)

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
	ctx, cancel := context.WithCancel(t.Context())
	err = answer.Again(ctx, func(context.Context) error { calls++; cancel(); return deadlock })
	if !errors.Is(err, deadlock) || calls != 1 {
		t.Errorf("a deadlock after the caller hung up: got %v after %d calls, want it back after 1", err, calls)
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
