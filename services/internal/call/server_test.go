package call_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/bedlamlab/bedlam/services/internal/call"
	"github.com/bedlamlab/bedlam/topology"
)

// spans sees every span of the test binary.
var spans = tracetest.NewSpanRecorder()

func TestMain(m *testing.M) {
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	otel.SetTracerProvider(provider)
	otel.SetTextMapPropagator(propagation.TraceContext{})
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// An instance is a real server on the loopback that answers as it is told.
// The health service's own contract serves as the call.
type instance struct {
	healthpb.UnimplementedHealthServer
	name   string
	asked  atomic.Int32
	answer atomic.Pointer[func(context.Context) error]
	peer   topology.Peer
}

func (in *instance) Check(ctx context.Context, _ *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	in.asked.Add(1)
	if err := (*in.answer.Load())(ctx); err != nil {
		return nil, err
	}
	return &healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_SERVING}, nil
}

func (in *instance) will(answer func(context.Context) error) { in.answer.Store(&answer) }

func succeed(context.Context) error { return nil }

func failWith(c codes.Code) func(context.Context) error {
	return func(context.Context) error { return status.Error(c, "as told") }
}

// hang answers only when nobody waits any more.
func hang(ctx context.Context) error {
	<-ctx.Done()
	return status.FromContextError(ctx.Err()).Err()
}

func start(t *testing.T, name string, answer func(context.Context) error) *instance {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	in := &instance{name: name, peer: topology.Peer{Instance: name, Address: l.Addr().String()}}
	in.will(answer)
	s := grpc.NewServer(grpc.StatsHandler(otelgrpc.NewServerHandler()), call.AllowKeepalive())
	healthpb.RegisterHealthServer(s, in)
	go s.Serve(l)
	t.Cleanup(s.Stop)
	return in
}

func client(t *testing.T, p topology.Policy, instances ...*instance) healthpb.HealthClient {
	t.Helper()
	var peers []topology.Peer
	for _, in := range instances {
		peers = append(peers, in.peer)
	}
	c, err := call.New("callee", peers, p, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return healthpb.NewHealthClient(c)
}

// ask makes one call with far more time than it needs.
func ask(t *testing.T, c healthpb.HealthClient) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	answer, err := c.Check(ctx, &healthpb.HealthCheckRequest{})
	if err == nil && answer.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		t.Errorf("the answer is empty: %v", answer)
	}
	return err
}
