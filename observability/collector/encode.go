package collector

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	traceservice "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
)

// WriteOTLP writes spans as one line of OTLP-JSON, which Jaeger's and
// Grafana's trace views open. It has what [Span] has; the run's files have
// everything.
func WriteOTLP(w io.Writer, spans []Span) error {
	q := encode(spans)
	jsonIDs(q.ProtoReflect())
	// OTLP-JSON writes enumerations as numbers.
	b, err := protojson.MarshalOptions{UseEnumNumbers: true}.Marshal(q)
	if err != nil {
		return fmt.Errorf("writing spans as OTLP-JSON: %w", err)
	}
	// protojson varies its spaces on purpose; the same spans shall make the
	// same file.
	var line bytes.Buffer
	if err := json.Compact(&line, b); err != nil {
		return fmt.Errorf("writing spans as OTLP-JSON: %w", err)
	}
	line.WriteByte('\n')
	_, err = w.Write(line.Bytes())
	return err
}

// encode is the inverse of request.parse.
func encode(spans []Span) *traceservice.ExportTraceServiceRequest {
	q := &traceservice.ExportTraceServiceRequest{}
	type source struct{ service, instance string }
	scopes := map[source]*tracepb.ScopeSpans{}
	for _, s := range spans {
		from := source{s.Service, s.Instance}
		scope, ok := scopes[from]
		if !ok {
			scope = &tracepb.ScopeSpans{Scope: &commonpb.InstrumentationScope{Name: "github.com/bedlamlab/bedlam"}}
			scopes[from] = scope
			q.ResourceSpans = append(q.ResourceSpans, &tracepb.ResourceSpans{
				Resource: &resourcepb.Resource{Attributes: []*commonpb.KeyValue{
					textAttr("service.name", s.Service), textAttr("service.instance.id", s.Instance),
				}},
				ScopeSpans: []*tracepb.ScopeSpans{scope},
			})
		}
		scope.Spans = append(scope.Spans, encodeSpan(s))
	}
	return q
}

func encodeSpan(s Span) *tracepb.Span {
	p := &tracepb.Span{
		TraceId: s.Trace[:], SpanId: s.ID[:], Name: valid(s.Name), Kind: tracepb.Span_SpanKind(s.Kind),
		StartTimeUnixNano: uint64(max(0, nanos(s.Start))), EndTimeUnixNano: uint64(max(0, nanos(s.End))),
	}
	if s.Parent != (SpanID{}) {
		p.ParentSpanId = s.Parent[:]
	}
	if s.Error {
		p.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR, Message: valid(s.Message)}
	} else if s.Message != "" {
		p.Status = &tracepb.Status{Message: valid(s.Message)}
	}
	if s.Peer != "" {
		p.Attributes = append(p.Attributes, textAttr("peer.service", s.Peer))
	}
	if s.PeerInstance != "" {
		p.Attributes = append(p.Attributes, textAttr("peer.instance", s.PeerInstance))
	}
	if s.Attempt != 0 {
		p.Attributes = append(p.Attributes, intAttr("call.attempt", int64(s.Attempt)))
	}
	if s.Code != "" {
		p.Attributes = append(p.Attributes, codeAttr(s.Code))
	}
	for _, k := range slices.Sorted(maps.Keys(s.Attrs)) {
		p.Attributes = append(p.Attributes, textAttr(k, s.Attrs[k]))
	}
	return p
}

// codeAttr gives a code back the attribute that its look tells.
func codeAttr(code string) *commonpb.KeyValue {
	for n, name := range rpcNames {
		if code == string(name) {
			return intAttr("rpc.grpc.status_code", int64(n))
		}
	}
	n, err := strconv.ParseUint(code, 10, 16)
	switch {
	case err == nil && n >= 100 && n <= 999 && len(code) == 3:
		return intAttr("http.response.status_code", int64(n))
	case len(code) == 5:
		return textAttr("db.response.status_code", code) // an SQLSTATE
	}
	return textAttr("rpc.grpc.status_code", code)
}

func textAttr(key, value string) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: valid(key), Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: valid(value)}}}
}

func intAttr(key string, value int64) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: value}}}
}

// valid is text as protobuf demands it, in UTF-8.
func valid(text string) string { return strings.ToValidUTF8(text, "\ufffd") }
