package serve_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/bedlamlab/bedlam/services/internal/serve"
	"github.com/bedlamlab/bedlam/services/internal/servetest"
	"github.com/bedlamlab/bedlam/topology"
)

// TestDrain tells a service to stop while a request is in its hands.
func TestDrain(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	s := service(func(context.Context, *serve.Env) error { close(arrived); <-release; return nil })
	told := make(chan struct{})
	s.Background = append(s.Background, func(ctx context.Context, _ *serve.Env) error {
		<-ctx.Done()
		close(told)
		return nil
	})
	a := assignment()
	a.Listen = servetest.Address(t)
	c, stop := start(t, s, a)
	answered := make(chan error)
	go func() { answered <- get(t, c) }()
	<-arrived
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	<-told
	// A new caller is not let in any more, whether the door is shut or the
	// health says so.
	servetest.Await(t, "the service to turn newcomers away", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		answer, err := healthpb.NewHealthClient(servetest.Dial(t, a.Listen)).Check(ctx, &healthpb.HealthCheckRequest{})
		return err != nil || answer.GetStatus() == healthpb.HealthCheckResponse_NOT_SERVING
	})
	select {
	case <-stopped:
		t.Fatal("it stopped with a request in its hands")
	default:
	}
	close(release)
	if err := <-answered; err != nil {
		t.Errorf("the request in flight got %v, want its answer", err)
	}
	<-stopped
}

func TestPanicIsAnErrorOfOneRequest(t *testing.T) {
	first := true
	c, _ := start(t, service(func(context.Context, *serve.Env) error {
		if first {
			first = false
			panic("as told")
		}
		return nil
	}), assignment())
	if err := get(t, c); status.Code(err) != codes.Internal {
		t.Errorf("got %v, want INTERNAL", err)
	}
	if err := get(t, c); err != nil {
		t.Errorf("after a panic: %v", err)
	}
}

func TestEveryRequestHasADeadline(t *testing.T) {
	c, _ := start(t, service(func(ctx context.Context, _ *serve.Env) error {
		if _, ok := ctx.Deadline(); !ok {
			return errors.New("no deadline")
		}
		return nil
	}), assignment())
	if _, err := c.Get(context.Background(), nil); err != nil {
		t.Error(err)
	}
}

func TestBackground(t *testing.T) {
	for _, b := range []struct {
		why  string
		work func(context.Context, *serve.Env) error
		want string // in the error of Run
	}{
		{"an error ends the service", func(context.Context, *serve.Env) error { return errors.New("as told") }, "as told"},
		{"so does a panic", func(context.Context, *serve.Env) error { panic("as told too") }, "as told too"},
	} {
		t.Run(b.why, func(t *testing.T) {
			s := service(func(context.Context, *serve.Env) error { return nil })
			s.Background = append(s.Background, b.work)
			a := assignment()
			a.Listen = servetest.Address(t)
			if err := serve.Run(t.Context(), a, s); err == nil || !strings.Contains(err.Error(), b.want) {
				t.Errorf("got %v, want %q", err, b.want)
			}
		})
	}
}

func TestPortInUse(t *testing.T) {
	s := service(func(context.Context, *serve.Env) error { return nil })
	a := assignment()
	a.Listen = servetest.Address(t)
	start(t, s, a)
	if err := serve.Run(t.Context(), a, s); err == nil || !strings.Contains(err.Error(), a.Listen) {
		t.Errorf("got %v, want an error that names %s", err, a.Listen)
	}
}

// TestPeer has one service ask another through its environment.
func TestPeer(t *testing.T) {
	callee := assignment()
	callee.Instance.Name, callee.Listen = "other-1", servetest.Address(t)
	start(t, service(func(ctx context.Context, _ *serve.Env) error {
		if _, ok := ctx.Deadline(); !ok {
			return errors.New("no deadline")
		}
		return status.Error(codes.NotFound, "as told")
	}), callee)
	a := assignment()
	a.Peers = map[string][]topology.Peer{"other": {{Instance: "other-1", Address: callee.Listen}}}
	a.Settings = map[string]string{"colour": "green"}
	c, _ := start(t, service(func(ctx context.Context, e *serve.Env) error {
		if e.Peer("other") != e.Peer("other") || e.Setting("colour") != "green" || e.Setting("size") != "" {
			return errors.New("the environment is not as it was assigned")
		}
		return ask(ctx, e, "other")
	}), a)
	if err := get(t, c); status.Code(err) != codes.NotFound {
		t.Errorf("got %v, want the callee's NOT_FOUND", err)
	}
	unknown, _ := start(t, service(func(ctx context.Context, e *serve.Env) error { return ask(ctx, e, "nobody") }), assignment())
	if err := get(t, unknown); status.Code(err) != codes.Unavailable {
		t.Errorf("a peer nobody assigned: got %v, want UNAVAILABLE", err)
	}
}
