// Package serve runs one service of the shop until it is told to stop.
//
// [Run] is the function that you want. From the outside to the inside:
//
//	telemetry ─▶ store (waited for, migrated) ─▶ Register or HTTP ─▶ listen ─▶ Background ─▶ ready
//	stop: not ready ─▶ background told, requests in flight finished (5 s) ─▶ store closed ─▶ telemetry flushed
//
// What every service gets without asking: server spans, health, a deadline on
// every request, a refusal of requests whose deadline has passed, panics and
// plain errors turned into status codes ([Status]).
package serve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/grpc"

	"github.com/bedlamlab/bedlam/observability"
	"github.com/bedlamlab/bedlam/services/internal/call"
	"github.com/bedlamlab/bedlam/topology"
)

// A Service is one kind of shop service.
type Service struct {
	Name string
	// Migrations holds goose's .sql files in a folder migrations, or is nil.
	// They are applied under the service's own role with its schema as search
	// path.
	Migrations fs.FS
	// Register adds the service's gRPC servers; nil for the gateway. Its
	// context lives until the service has drained.
	Register func(ctx context.Context, e *Env, s *grpc.Server) error
	// HTTP returns the gateway's handler; nil for the others. Its context
	// lives until the service has drained.
	HTTP func(ctx context.Context, e *Env) (http.Handler, error)
	// Background is work beside the requests; each runs until its context is
	// done, which is when draining begins. An error ends the process.
	Background []func(ctx context.Context, e *Env) error
}

// Env is what a running service has around it.
type Env struct {
	Assignment topology.Assignment
	Log        *slog.Logger
	// DB is nil without a store. Its connections are traced; a query is
	// cancelled with its context.
	DB *pgxpool.Pool

	mu    sync.Mutex
	peers map[string]*call.Client
}

// drainLimit bounds what a stopping service waits for. Twice the longest
// deadline of a customer's request (2.5 s), so that only what has gone wrong
// anyway is cut off.
const drainLimit = 5 * time.Second

// memoryLimit is a soft bound, far above what a service needs (about 10 MB),
// that keeps the collector from letting garbage grow in a burst.
const memoryLimit = 64 << 20

// Run runs s as the instance that a describes, until ctx is done and the
// service has drained, or until something that it cannot go on without fails.
// While the store does not answer at the start, it waits.
func Run(ctx context.Context, a topology.Assignment, s Service) (err error) {
	debug.SetMemoryLimit(memoryLimit)
	telemetry, err := observability.Start(ctx, observability.Resource{
		Service: s.Name, Instance: a.Instance.Name, Zone: a.Instance.Zone, System: a.System, Version: version(),
	}, a.Telemetry)
	if err != nil {
		return fmt.Errorf("starting %s: %w", a.Instance.Name, err)
	}
	log := telemetry.Log
	defer func() {
		if err != nil {
			log.Error("ended", "error", err)
		}
		// The receiver's state is not the service's: a failed flush is no failure.
		if lost := telemetry.Shutdown(context.WithoutCancel(ctx)); lost != nil {
			log.Warn("telemetry was not flushed", "error", lost)
		}
	}()

	e := &Env{Assignment: a, Log: log, peers: map[string]*call.Client{}}
	defer e.close()
	if a.Store != "" {
		if e.DB, err = openStore(ctx, a, s, log); err != nil {
			if ctx.Err() != nil {
				return nil // told to stop while waiting for the store
			}
			return fmt.Errorf("opening the store of %s: %w", a.Instance.Name, err)
		}
	}

	// The life of requests outlasts the signal to stop: they are finished.
	life, kill := context.WithCancel(context.WithoutCancel(ctx))
	defer kill()
	front, err := newFront(life, e, s)
	if err != nil {
		return fmt.Errorf("setting up %s: %w", a.Instance.Name, err)
	}
	return e.run(ctx, front, s.Background)
}

// front is where requests come in.
type front interface {
	// serve answers requests until drain is called. ready is called once it listens.
	serve(ready func()) error
	// drain says that it is not ready, finishes what is in flight and returns
	// at the latest when ctx is done, having cut the rest off.
	drain(ctx context.Context)
}

func newFront(life context.Context, e *Env, s Service) (front, error) {
	switch {
	case s.Register != nil && s.HTTP == nil:
		return newGRPC(life, e, s)
	case s.HTTP != nil && s.Register == nil:
		return newHTTP(life, e, s)
	}
	return nil, errors.New("a service serves either gRPC or HTTP")
}

// run serves and does the background work until ctx is done or one of them
// fails, then drains.
func (e *Env) run(ctx context.Context, f front, background []func(context.Context, *Env) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var work sync.WaitGroup
	ended := make(chan struct{})
	ready := func() {
		for i, do := range background {
			work.Go(func() {
				if err := shielded(ctx, e, do); err != nil && ctx.Err() == nil {
					stop(fmt.Errorf("background work %d of %s: %w", i+1, e.Assignment.Instance.Name, err))
				}
			})
		}
		e.Log.Info("ready", "address", e.Assignment.Listen)
	}
	var failed error
	go func() {
		defer close(ended)
		failed = f.serve(ready)
	}()
	select {
	case <-ctx.Done():
	case <-ended:
		return fmt.Errorf("serving on %s: %w", e.Assignment.Listen, failed)
	}
	e.Log.Info("draining", "cause", context.Cause(ctx).Error())
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainLimit)
	defer cancel()
	f.drain(limit)
	<-ended
	await(limit, &work)
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// shielded turns a panic of background work into an error, so that the
// process ends in order: draining, and with its telemetry flushed.
func shielded(ctx context.Context, e *Env, do func(context.Context, *Env) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return do(ctx, e)
}

func await(ctx context.Context, work *sync.WaitGroup) {
	done := make(chan struct{})
	go func() { work.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return ""
}
