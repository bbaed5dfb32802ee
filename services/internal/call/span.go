package call

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/failsafe-go/failsafe-go/budget"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// The attributes of an attempt's span.
const (
	keyPeer     = attribute.Key("peer.service")
	keyInstance = attribute.Key("peer.instance")
	keyAttempt  = attribute.Key("call.attempt")
	keyCode     = attribute.Key("rpc.grpc.status_code")
	keyBreaker  = attribute.Key("call.breaker")
	keyFallback = attribute.Key("call.fallback")
	// keyLeft is how long the attempt may take, from its start, as the callee
	// is told; -1: for ever. keyKey and keyOrder are what it is asked for, where the method
	// has such fields.
	keyLeft  = attribute.Key("call.deadline_ms")
	keyKey   = attribute.Key("call.key")
	keyOrder = attribute.Key("call.order")
)

// Events on the span in which a call was made.
const (
	eventBulkhead = "call.bulkhead.full"
	eventBudget   = "call.retry_budget.exceeded"
)

// startSpan starts the span of an invocation's n-th attempt, at p; nil: at nobody.
func (c *Client) startSpan(ctx context.Context, in *invocation, p *peer, n int) (context.Context, trace.Span) {
	name := strings.TrimPrefix(in.method, "/")
	service, rpc, _ := strings.Cut(name, "/")
	attrs := make([]attribute.KeyValue, 0, 9)
	attrs = append(attrs, attribute.String("rpc.system", "grpc"), attribute.String("rpc.service", service),
		attribute.String("rpc.method", rpc), keyPeer.String(c.service), keyAttempt.Int(n))
	if p != nil {
		attrs = append(attrs, keyInstance.String(p.instance), attribute.String("server.address", p.address))
	}
	if m, ok := in.args.(interface{ GetKey() string }); ok {
		attrs = append(attrs, keyKey.String(m.GetKey()))
	}
	if m, ok := in.args.(interface{ GetOrder() string }); ok {
		attrs = append(attrs, keyOrder.String(m.GetOrder()))
	}
	return c.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attrs...))
}

// sending notes on an attempt's span how long it may take. It stands where the
// request leaves, so that it is what the callee is told and not what somebody
// meant to tell it.
func sending(ctx context.Context, method string, args, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	NoteDeadline(ctx, keyLeft)
	return invoke(ctx, method, args, reply, conn, opts...)
}

// NoteDeadline notes on the span of ctx how many milliseconds lie between its
// start and the deadline of ctx, 0 if it had passed by then; -1: there is none.
func NoteDeadline(ctx context.Context, key attribute.Key) {
	span := trace.SpanFromContext(ctx)
	begun, known := span.(interface{ StartTime() time.Time })
	deadline, bounded := ctx.Deadline()
	switch {
	case !known: // nobody records it
	case bounded:
		span.SetAttributes(key.Int64(max(0, deadline.Sub(begun.StartTime()).Milliseconds())))
	default:
		span.SetAttributes(key.Int64(-1))
	}
}

// end writes the outcome down. The caller ends the span.
func end(span trace.Span, err error) {
	span.SetAttributes(keyCode.String(Code(err)))
	if s := status.Convert(err); Failed(s.Code()) {
		span.SetStatus(otelcodes.Error, s.Message())
	}
}

func markOpen(span trace.Span) { span.SetAttributes(keyBreaker.String("open")) }

// Fallback notes on the span of ctx that its answer was made without the
// callee.
func Fallback(ctx context.Context, service string) {
	trace.SpanFromContext(ctx).SetAttributes(keyFallback.Bool(true), attribute.String("call.fallback.for", service))
}

func note(ctx context.Context, event, service string) {
	trace.SpanFromContext(ctx).AddEvent(event, trace.WithAttributes(keyPeer.String(service)))
}

func isBudget(err error) bool { return errors.Is(err, budget.ErrExceeded) }

// carrier lets the propagator write into gRPC metadata.
type carrier metadata.MD

func (m carrier) Get(key string) string {
	if v := metadata.MD(m).Get(key); len(v) > 0 {
		return v[0]
	}
	return ""
}

func (m carrier) Set(key, value string) { metadata.MD(m).Set(key, value) }

func (m carrier) Keys() []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	return keys
}

var _ propagation.TextMapCarrier = carrier{}

// inject sends the trace context of ctx along, so that the callee's span is a
// child of the attempt's.
func inject(ctx context.Context) context.Context {
	md, ok := metadata.FromOutgoingContext(ctx)
	if ok {
		md = md.Copy()
	} else {
		md = metadata.MD{}
	}
	otel.GetTextMapPropagator().Inject(ctx, carrier(md))
	return metadata.NewOutgoingContext(ctx, md)
}
