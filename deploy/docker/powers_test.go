package docker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/supervise"
)

// A kill is over with the life that it was meant for, also when the keeper is
// so quick that the container is never seen ended.
func TestKillIsOverWithItsLife(t *testing.T) {
	life, ended := 1, make(chan struct{})
	d := playing(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/kill"):
			life++
			w.WriteHeader(http.StatusNoContent)
		case strings.HasSuffix(r.URL.Path, "/wait"): // the end that comes is the next life's
			select {
			case <-r.Context().Done():
			case <-ended:
			}
		default:
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"Id":"c1","State":{"Running":true,"StartedAt":"2026-01-01T00:00:0%dZ"}}`, life)
		}
	})
	defer close(ended)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // that is no limit on a kill: one that waits for another life waits for ever
	defer cancel()
	m := &machine{daemon: d, desc: supervise.Description{Run: "x"}}
	if err := m.Kill(ctx, "front-1"); err != nil {
		t.Error(err)
	}
}

// A system of containers says what would give it names, before anything is done
// to it.
func TestNoNames(t *testing.T) {
	for _, s := range []deploy.System{supervise.Attach(supervise.Files{}, supervise.Description{}, &machine{}, nil), guestSystem{}} {
		_, err := deploy.Power[deploy.Namer](s)
		if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "(") {
			t.Errorf("got %v, want that it is not supported, and why", err)
		}
	}
}
