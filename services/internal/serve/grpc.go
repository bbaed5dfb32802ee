package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc/filters"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"github.com/bedlamlab/bedlam/services/internal/call"
)

const (
	// requestLimit is the deadline of a request that came without one: twice
	// the longest that any caller in the shop asks for.
	requestLimit = 5 * time.Second
	// keepalivePeriod and keepaliveAnswer find a caller that is gone without
	// a word, so that its connection does not stay for ever.
	keepalivePeriod = 10 * time.Second
	keepaliveAnswer = 5 * time.Second
	// bufferSize replaces gRPC's 32 kB for each direction of a connection:
	// messages of the shop are a few kB at most.
	bufferSize = 8 << 10
)

// keyDeadline is how much time a request came with, in milliseconds from the
// start of its span; -1: it came without a deadline.
const keyDeadline = attribute.Key("request.deadline_ms")

// grpcFront serves gRPC.
type grpcFront struct {
	listen string
	server *grpc.Server
	health *health.Server
}

func newGRPC(life context.Context, e *Env, s Service) (*grpcFront, error) {
	f := &grpcFront{listen: e.Assignment.Listen, health: health.NewServer()}
	f.health.SetServingStatus("", healthpb.HealthCheckResponse_NOT_SERVING)
	f.server = grpc.NewServer(
		grpc.StatsHandler(otelgrpc.NewServerHandler(otelgrpc.WithFilter(filters.Not(filters.HealthCheck())))),
		grpc.ChainUnaryInterceptor(e.bounded, e.answered),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: keepalivePeriod, Timeout: keepaliveAnswer}),
		call.AllowKeepalive(),
		grpc.ReadBufferSize(bufferSize),
		grpc.WriteBufferSize(bufferSize),
	)
	if err := s.Register(life, e, f.server); err != nil {
		return nil, err
	}
	healthpb.RegisterHealthServer(f.server, f.health)
	return f, nil
}

func (f *grpcFront) serve(ready func()) error {
	l, err := net.Listen("tcp", f.listen)
	if err != nil {
		return err
	}
	f.health.SetServingStatus("", healthpb.HealthCheckResponse_SERVING)
	ready()
	return f.server.Serve(l)
}

func (f *grpcFront) drain(ctx context.Context) {
	f.health.Shutdown()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.server.GracefulStop()
	}()
	select {
	case <-done:
	case <-ctx.Done():
		f.server.Stop() // which also ends GracefulStop
		<-done
	}
}

// bounded gives a deadline to requests that have none, and refuses those
// whose time is up: nobody waits for their answer any more.
func (e *Env) bounded(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	if err := ctx.Err(); err != nil {
		return nil, status.FromContextError(err).Err()
	}
	call.NoteDeadline(ctx, keyDeadline)
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, requestLimit)
		defer cancel()
	}
	return handle(ctx, req)
}

// answered turns whatever the handler ends with into a status, writes it on
// the span and logs what nobody planned for.
func (e *Env) answered(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (reply any, err error) {
	defer func() {
		if p := recover(); p != nil {
			e.Log.ErrorContext(ctx, "panic", "method", info.FullMethod, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			reply, err = nil, status.Errorf(codes.Internal, "%s: panic", info.FullMethod)
		}
		if err != nil {
			cause := err
			if err = Status(ctx, err); status.Code(err) == codes.Internal && !errors.Is(err, cause) {
				e.Log.ErrorContext(ctx, "request failed", "method", info.FullMethod, "error", cause)
			}
		}
		trace.SpanFromContext(ctx).SetAttributes(attribute.String("rpc.grpc.status_code", call.Code(err)))
	}()
	return handle(ctx, req)
}
