package serve_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bedlamlab/bedlam/services/internal/serve"
)

// TestEveryWaitsOutFailures has a store that is away for the first tick.
func TestEveryWaitsOutFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var log bytes.Buffer
		var at []time.Duration
		began := time.Now()
		err := serve.Every(ctx, time.Minute, slog.New(slog.NewTextHandler(&log, nil)), "things done", func(context.Context) (int, error) {
			switch at = append(at, time.Since(began)); len(at) {
			case 1:
				return 0, errors.New("the store is away")
			case 2:
				return 3, nil
			}
			cancel()
			return 0, ctx.Err() // the end, which is no failure
		})
		if err != nil || len(at) != 3 || at[0] != time.Minute || at[2] != 3*time.Minute {
			t.Errorf("error %v, calls after %v", err, at)
		}
		if said := log.String(); strings.Count(said, "level=WARN") != 1 || !strings.Contains(said, "store is away") || !strings.Contains(said, `"things done" n=3`) {
			t.Errorf("the log says:\n%s", said)
		}
	})
}
