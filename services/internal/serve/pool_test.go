package serve_test

import (
	"context"
	"testing"

	"github.com/bedlamlab/bedlam/services/internal/serve"
	"github.com/bedlamlab/bedlam/services/internal/servetest"
)

// TestThePoolIsTold takes every connection, and asks for one more.
func TestThePoolIsTold(t *testing.T) {
	t.Parallel()
	const all = 6 // connections of a pool
	told := servetest.NewHeld(t)
	release := make(chan struct{})
	s, a := stored(servetest.Postgres(t), func(ctx context.Context, e *serve.Env) error {
		for range all {
			c, err := e.DB.Acquire(context.WithoutCancel(ctx))
			if err != nil {
				return err
			}
			defer c.Release()
		}
		ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		waited := make(chan struct{})
		go func() {
			defer close(waited)
			if c, err := e.DB.Acquire(ctx); err == nil {
				c.Release()
			}
		}()
		<-release
		cancel()
		<-waited
		return nil
	})
	a.Telemetry = told.URL
	c, _ := start(t, s, a)
	answered := make(chan error, 1)
	go func() { answered <- get(t, c) }()
	told.Await(t, "db.client.connection.count postgres-1 used", all)
	told.Await(t, "db.client.connection.pending_requests postgres-1", 1)
	told.Await(t, "db.client.connection.max postgres-1", all)
	told.Await(t, "rpc.server.active_requests", 1)
	close(release)
	if err := <-answered; err != nil {
		t.Fatal(err)
	}
	told.Await(t, "db.client.connection.count postgres-1 used", 0)
	told.Await(t, "db.client.connection.pending_requests postgres-1", 0)
}
