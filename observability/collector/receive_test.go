package collector_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
	traceservice "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/bedlamlab/bedlam/observability/collector"
)

// The real SDK, over loopback, with every field that a Span has.
func TestSDKExports(t *testing.T) {
	for _, compression := range []otlptracehttp.Compression{otlptracehttp.NoCompression, otlptracehttp.GzipCompression} {
		t.Run(fmt.Sprint("compression ", compression), func(t *testing.T) {
			c := start(t, collector.Options{})
			ctx := context.Background()
			exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(c.URL()+"/v1/traces"), otlptracehttp.WithCompression(compression))
			if err != nil {
				t.Fatal(err)
			}
			provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter),
				sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", "payment"), attribute.String("service.instance.id", "payment-2"))))
			tracer := provider.Tracer("test")
			ctx, parent := tracer.Start(ctx, "bank.v1.Bank/Charge", oteltrace.WithSpanKind(oteltrace.SpanKindServer), oteltrace.WithTimestamp(at(1)))
			_, child := tracer.Start(ctx, "Charge", oteltrace.WithSpanKind(oteltrace.SpanKindClient), oteltrace.WithTimestamp(at(2)), oteltrace.WithAttributes(
				attribute.String("peer.service", "bank"), attribute.String("peer.instance", "bank-1"), attribute.Int("call.attempt", 2),
				attribute.String("rpc.grpc.status_code", "UNAVAILABLE"), attribute.String("server.address", "127.0.0.1"),
				attribute.Bool("flag", true), attribute.Float64("share", 0.25), attribute.StringSlice("list", []string{"a", `"b"`}),
			))
			child.AddEvent("call.bulkhead.full", oteltrace.WithAttributes(attribute.String("peer.service", "catalog")))
			child.AddEvent("something", oteltrace.WithAttributes(attribute.String("call.breaker", "open"), attribute.String("other", "x")))
			child.RecordError(errors.New("no route"))
			child.SetStatus(codes.Error, "connection refused")
			child.End(oteltrace.WithTimestamp(at(3)))
			parent.End(oteltrace.WithTimestamp(at(4)))
			if err := provider.Shutdown(ctx); err != nil {
				t.Fatal(err)
			}
			id := collector.TraceID(parent.SpanContext().TraceID())
			want := []collector.Span{{
				Trace: id, ID: collector.SpanID(parent.SpanContext().SpanID()),
				Service: "payment", Instance: "payment-2", Name: "bank.v1.Bank/Charge", Kind: collector.Server, Start: at(1), End: at(4),
			}, {
				Trace: id, ID: collector.SpanID(child.SpanContext().SpanID()), Parent: collector.SpanID(parent.SpanContext().SpanID()),
				Service: "payment", Instance: "payment-2", Name: "Charge", Kind: collector.Client, Start: at(2), End: at(3),
				Error: true, Message: "connection refused", Peer: "bank", PeerInstance: "bank-1", Attempt: 2, Code: "UNAVAILABLE",
				Attrs: map[string]string{
					"flag": "true", "share": "0.25", "list": `["a","\"b\""]`,
					"call.bulkhead.full": "catalog", "call.breaker": "open", "exception.type": "*errors.errorString",
				},
			}}
			same(t, "spans", c.Trace(id), want)
			if s := c.Stats(); s.Received != 2 || s.Kept != 2 || s.Refused != 0 {
				t.Errorf("stats: %+v", s)
			}
		})
	}
}

func TestCodes(t *testing.T) {
	for name, c := range map[string]struct {
		attrs []*commonpb.KeyValue
		want  string
	}{
		"gRPC by number":       {[]*commonpb.KeyValue{number("rpc.grpc.status_code", 14)}, "UNAVAILABLE"},
		"gRPC by name":         {[]*commonpb.KeyValue{text("rpc.grpc.status_code", "ABORTED")}, "ABORTED"},
		"gRPC, newer name":     {[]*commonpb.KeyValue{text("rpc.response.status_code", "OK")}, "OK"},
		"gRPC out of range":    {[]*commonpb.KeyValue{number("rpc.grpc.status_code", 99)}, "99"},
		"HTTP":                 {[]*commonpb.KeyValue{number("http.response.status_code", 503)}, "503"},
		"SQL":                  {[]*commonpb.KeyValue{text("pgx.sql_state", "40001")}, "40001"},
		"gRPC wins over HTTP":  {[]*commonpb.KeyValue{number("rpc.grpc.status_code", 4), number("http.response.status_code", 200)}, "DEADLINE_EXCEEDED"},
		"gRPC wins, behind it": {[]*commonpb.KeyValue{number("http.response.status_code", 200), number("rpc.grpc.status_code", 4)}, "DEADLINE_EXCEEDED"},
		"none":                 {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, collector.Options{})
			body := marshal(t, oneSpan(func(p *tracepb.Span) { p.Attributes = c.attrs }))
			if code, _ := post(t, s.URL()+"/v1/traces", "application/x-protobuf", "", body); code != 200 {
				t.Fatal(code)
			}
			if got := s.Trace(trace(1))[0].Code; got != c.want {
				t.Errorf("code %q, want %q", got, c.want)
			}
		})
	}
}

const jsonBody = `{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"cart"}}]},
 "scopeSpans":[{"spans":[{"traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"eee19b7ec3c1b174","parentSpanId":"eee19b7ec3c1b173",
 "name":"Add","kind":2,"startTimeUnixNano":"1700000000001000000","endTimeUnixNano":1700000000002000000,"futureField":1,
 "attributes":[{"key":"n","value":{"intValue":"7"}}],"status":{"code":2,"message":"no"}}]}]}]}`

func TestJSON(t *testing.T) {
	for _, encoding := range []string{"", "gzip"} {
		c := start(t, collector.Options{})
		code, answer := post(t, c.URL()+"/v1/traces", "application/json; charset=utf-8", encoding, []byte(jsonBody))
		if code != 200 || strings.TrimSpace(string(answer)) != "{}" {
			t.Fatalf("%q: answered %d %s, want an empty object", encoding, code, answer)
		}
		same(t, "span", all(c.Store), []collector.Span{{
			Trace:  collector.TraceID{0x5b, 0x8e, 0xff, 0xf7, 0x98, 0x03, 0x81, 0x03, 0xd2, 0x69, 0xb6, 0x33, 0x81, 0x3f, 0xc6, 0x0c},
			ID:     collector.SpanID{0xee, 0xe1, 0x9b, 0x7e, 0xc3, 0xc1, 0xb1, 0x74},
			Parent: collector.SpanID{0xee, 0xe1, 0x9b, 0x7e, 0xc3, 0xc1, 0xb1, 0x73}, Service: "cart", Name: "Add", Kind: collector.Server,
			Start: at(1), End: at(2), Error: true, Message: "no", Attrs: map[string]string{"n": "7"},
		}})
	}
}

func TestRefusals(t *testing.T) {
	good := marshal(t, oneSpan(nil))
	bomb := bytes.Repeat([]byte{0}, 9<<20)
	for name, c := range map[string]struct {
		method, kind, encoding string
		body                   []byte
		want                   int
	}{
		"GET":                 {"GET", "application/x-protobuf", "", nil, 405},
		"no content type":     {"POST", "", "", good, 415},
		"text":                {"POST", "text/plain", "", good, 415},
		"unknown encoding":    {"POST", "application/x-protobuf", "br", good, 415},
		"gzip that is none":   {"POST", "application/x-protobuf", "raw-gzip", good, 400},
		"broken protobuf":     {"POST", "application/x-protobuf", "", good[:len(good)-3], 400},
		"broken JSON":         {"POST", "application/json", "", []byte(`{"resourceSpans":`), 400},
		"an id in base64":     {"POST", "application/json", "", []byte(strings.Replace(jsonBody, "eee19b7ec3c1b174", "7uGbfsPBsXQ=", 1)), 400},
		"too large":           {"POST", "application/x-protobuf", "", bomb, 413},
		"too large when open": {"POST", "application/x-protobuf", "gzip", bomb, 413},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, collector.Options{})
			for _, path := range []string{"/v1/traces", "/v1/metrics", "/v1/logs"} {
				if name == "an id in base64" && path == "/v1/metrics" {
					continue // metrics have no such field, and unknown ones are skipped
				}
				if name == "an id in base64" && path == "/v1/logs" {
					continue
				}
				q, err := http.NewRequest(c.method, s.URL()+path, bytes.NewReader(packed(t, c.encoding, c.body)))
				if err != nil {
					t.Fatal(err)
				}
				q.Header.Set("Content-Type", c.kind)
				q.Header.Set("Content-Encoding", strings.TrimPrefix(c.encoding, "raw-"))
				a, err := http.DefaultClient.Do(q)
				if err != nil {
					t.Fatal(err)
				}
				body, _ := io.ReadAll(a.Body)
				a.Body.Close()
				var status statuspb.Status
				if a.Header.Get("Content-Type") == "application/json" {
					err = protojson.Unmarshal(body, &status)
				} else {
					err = proto.Unmarshal(body, &status)
				}
				if a.StatusCode != c.want || err != nil || status.GetMessage() == "" {
					t.Errorf("%s: answered %s with %q (%v), want %d with a Status", path, a.Status, status.GetMessage(), err, c.want)
				}
			}
			if n := s.Len(); n != 0 {
				t.Errorf("%d spans of refused requests were kept", n)
			}
			if s.Stats().Refused == 0 {
				t.Error("refusals are not counted")
			}
		})
	}
}

func TestUnknownPath(t *testing.T) {
	c := start(t, collector.Options{})
	if code, _ := post(t, c.URL()+"/v1/profiles", "application/x-protobuf", "", nil); code != 404 {
		t.Errorf("answered %d, want 404", code)
	}
}

func TestPartialSuccess(t *testing.T) {
	c := start(t, collector.Options{})
	q := oneSpan(nil)
	scope := q.ResourceSpans[0].ScopeSpans[0]
	for _, spoil := range []func(*tracepb.Span){
		func(p *tracepb.Span) { p.TraceId = p.TraceId[:8] },
		func(p *tracepb.Span) { p.TraceId = make([]byte, 16) },
		func(p *tracepb.Span) { p.SpanId = nil },
		func(p *tracepb.Span) { p.ParentSpanId = []byte{1} },
	} {
		p := proto.Clone(scope.Spans[0]).(*tracepb.Span)
		spoil(p)
		scope.Spans = append(scope.Spans, p)
	}
	code, body := post(t, c.URL()+"/v1/traces", "application/x-protobuf", "", marshal(t, q))
	var answer traceservice.ExportTraceServiceResponse
	if err := proto.Unmarshal(body, &answer); code != 200 || err != nil {
		t.Fatal(code, err)
	}
	if n := answer.GetPartialSuccess().GetRejectedSpans(); n != 4 || answer.GetPartialSuccess().GetErrorMessage() == "" {
		t.Errorf("answered %v, want 4 rejected spans and why", &answer)
	}
	if s := c.Stats(); s.Received != 5 || s.Kept != 1 || s.Malformed != 4 || c.Len() != 1 {
		t.Errorf("stats: %+v, %d spans", s, c.Len())
	}
}

// An exporter that did not see the answer sends the same bytes again.
func TestRepeatedRequestCountsOnce(t *testing.T) {
	c := start(t, collector.Options{})
	body := marshal(t, oneSpan(nil))
	for range 3 {
		if code, _ := post(t, c.URL()+"/v1/traces", "application/x-protobuf", "", body); code != 200 {
			t.Fatal(code)
		}
	}
	if s := c.Stats(); s.Kept != 1 || s.Repeated != 2 || c.Len() != 1 {
		t.Errorf("stats: %+v, %d spans", s, c.Len())
	}
	// A refused body stays refused.
	for range 2 {
		if code, _ := post(t, c.URL()+"/v1/traces", "application/x-protobuf", "", body[:len(body)-1]); code != 400 {
			t.Fatal(code)
		}
	}
}

func TestAttributesAreBounded(t *testing.T) {
	c := start(t, collector.Options{})
	post(t, c.URL()+"/v1/traces", "application/x-protobuf", "", marshal(t, oneSpan(func(p *tracepb.Span) {
		p.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR, Message: strings.Repeat("ä", 1000)}
		for i := range 200 {
			p.Attributes = append(p.Attributes, text(fmt.Sprintf("key.%d", i), strings.Repeat("€", 1000)))
		}
	})))
	s := c.Trace(trace(1))[0]
	if len(s.Message) != 512 || strings.Trim(s.Message, "ä") != "" {
		t.Errorf("message of %d bytes, want 512 whole runes", len(s.Message))
	}
	if len(s.Attrs) != 32 {
		t.Errorf("%d attributes, want 32", len(s.Attrs))
	}
	if v := s.Attrs["key.0"]; len(v) != 510 || strings.Trim(v, "€") != "" {
		t.Errorf("value of %d bytes, want 510: as many whole runes as 512 hold", len(v))
	}
}

func oneSpan(change func(*tracepb.Span)) *traceservice.ExportTraceServiceRequest {
	id, sid := trace(1), span(1)
	p := &tracepb.Span{TraceId: id[:], SpanId: sid[:], Name: "Read", Kind: tracepb.Span_SPAN_KIND_SERVER,
		StartTimeUnixNano: uint64(at(1).UnixNano()), EndTimeUnixNano: uint64(at(2).UnixNano())}
	if change != nil {
		change(p)
	}
	return &traceservice.ExportTraceServiceRequest{ResourceSpans: []*tracepb.ResourceSpans{{ScopeSpans: []*tracepb.ScopeSpans{{Spans: []*tracepb.Span{p}}}}}}
}

func text(key, value string) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: value}}}
}

func number(key string, value int64) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: value}}}
}

func marshal(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func packed(t testing.TB, encoding string, body []byte) []byte {
	t.Helper()
	if encoding != "gzip" {
		return body
	}
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(body)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// post returns the answer's status and body.
func post(t testing.TB, url, kind, encoding string, body []byte) (int, []byte) {
	t.Helper()
	q, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(packed(t, encoding, body)))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Content-Type", kind)
	if encoding != "" {
		q.Header.Set("Content-Encoding", encoding)
	}
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return a.StatusCode, b
}
