package call_test

import (
	"strconv"
	"testing"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/bedlamlab/bedlam/services/internal/call"
	"github.com/bedlamlab/bedlam/services/internal/servetest"
	"github.com/bedlamlab/bedlam/topology"
)

// traced makes one call in a trace of its own and returns that trace's spans
// of one kind, in order of their starts.
func traced(t *testing.T, c healthpb.HealthClient, kind trace.SpanKind, want int) []sdktrace.ReadOnlySpan {
	t.Helper()
	ctx, root := otel.Tracer("test").Start(t.Context(), "caller")
	_, _ = c.Check(ctx, &healthpb.HealthCheckRequest{})
	root.End()
	var found []sdktrace.ReadOnlySpan
	servetest.Await(t, "all spans to end", func() bool {
		found = nil
		for _, s := range spans.Ended() {
			if s.SpanContext().TraceID() == root.SpanContext().TraceID() && s.SpanKind() == kind {
				found = append(found, s)
			}
		}
		return len(found) >= want
	})
	if len(found) != want {
		t.Fatalf("got %d spans of kind %v, want %d", len(found), kind, want)
	}
	return found
}

func value(s sdktrace.ReadOnlySpan, key string) string {
	for _, a := range s.Attributes() {
		if string(a.Key) == key {
			return a.Value.String()
		}
	}
	return ""
}

func TestAttemptsAreSpans(t *testing.T) {
	bad, worse := start(t, "callee-1", failWith(codes.Unavailable)), start(t, "callee-2", failWith(codes.Unavailable))
	c := client(t, topology.Policy{Retry: retry(2, 0)}, bad, worse)
	attempts := traced(t, c, trace.SpanKindClient, 2)
	seen := map[string]bool{}
	for i, s := range attempts {
		if got, want := value(s, "call.attempt"), string('1'+rune(i)); got != want {
			t.Errorf("call.attempt: got %q, want %q", got, want)
		}
		if got := value(s, "peer.service"); got != "callee" {
			t.Errorf("peer.service: got %q", got)
		}
		if got := value(s, "rpc.grpc.status_code"); got != "UNAVAILABLE" {
			t.Errorf("rpc.grpc.status_code: got %q", got)
		}
		if s.Status().Code != otelcodes.Error {
			t.Errorf("a failed attempt's status: got %v, want Error", s.Status().Code)
		}
		seen[value(s, "peer.instance")] = true
	}
	if !seen["callee-1"] || !seen["callee-2"] {
		t.Errorf("the attempts went to %v, want both instances", seen)
	}
}

func TestTheCalleesSpanIsTheAttemptsChild(t *testing.T) {
	c := client(t, topology.Policy{}, start(t, "callee-1", succeed))
	ctx, root := otel.Tracer("test").Start(t.Context(), "caller")
	if _, err := c.Check(ctx, &healthpb.HealthCheckRequest{}); err != nil {
		t.Fatal(err)
	}
	root.End()
	parents := map[trace.SpanKind]trace.SpanID{}
	ids := map[trace.SpanKind]trace.SpanID{}
	servetest.Await(t, "both spans", func() bool {
		for _, s := range spans.Ended() {
			if s.SpanContext().TraceID() == root.SpanContext().TraceID() {
				parents[s.SpanKind()], ids[s.SpanKind()] = s.Parent().SpanID(), s.SpanContext().SpanID()
			}
		}
		return ids[trace.SpanKindServer].IsValid() && ids[trace.SpanKindClient].IsValid()
	})
	if parents[trace.SpanKindClient] != root.SpanContext().SpanID() || parents[trace.SpanKindServer] != ids[trace.SpanKindClient] {
		t.Error("want caller, attempt, callee, each the child of the one before")
	}
}

func TestAnHonestNoIsNoError(t *testing.T) {
	c := client(t, topology.Policy{}, start(t, "callee-1", failWith(codes.NotFound)))
	s := traced(t, c, trace.SpanKindClient, 1)[0]
	if s.Status().Code == otelcodes.Error || value(s, "rpc.grpc.status_code") != "NOT_FOUND" {
		t.Errorf("got status %v and code %s, want no error and NOT_FOUND", s.Status().Code, value(s, "rpc.grpc.status_code"))
	}
}

func TestAnOpenBreakerShows(t *testing.T) {
	in := start(t, "callee-1", failWith(codes.Unavailable))
	c := client(t, topology.Policy{Breaker: breaker(time.Hour)}, in)
	for range 4 {
		_ = ask(t, c)
	}
	s := traced(t, c, trace.SpanKindClient, 1)[0]
	if value(s, "call.breaker") != "open" || s.Status().Code != otelcodes.Error {
		t.Errorf("got call.breaker %q and status %v, want open and Error", value(s, "call.breaker"), s.Status().Code)
	}
}

func TestFallbackShows(t *testing.T) {
	ctx, span := otel.Tracer("test").Start(t.Context(), "caller")
	call.Fallback(ctx, "callee")
	span.End()
	for _, a := range span.(sdktrace.ReadOnlySpan).Attributes() {
		if a == attribute.Bool("call.fallback", true) {
			return
		}
	}
	t.Error("call.fallback is not set")
}

func TestAnAttemptSaysWhatItIsToldAndAskedFor(t *testing.T) {
	c := client(t, topology.Policy{Timeout: topology.Duration(20 * time.Second)}, start(t, "callee-1", succeed))
	s := traced(t, c, trace.SpanKindClient, 1)[0]
	left, err := strconv.Atoi(value(s, "call.deadline_ms"))
	if err != nil || left <= 0 || left > 21_000 {
		t.Errorf("call.deadline_ms: got %q, want what the policy's 20 s leave", value(s, "call.deadline_ms"))
	}
	if value(s, "call.key") != "" || value(s, "call.order") != "" {
		t.Error("a request without a key or an order has one")
	}
	s = traced(t, client(t, topology.Policy{}, start(t, "callee-1", succeed)), trace.SpanKindClient, 1)[0]
	if got := value(s, "call.deadline_ms"); got != "-1" {
		t.Errorf("an attempt that may last for ever: got call.deadline_ms %q, want -1", got)
	}
}
