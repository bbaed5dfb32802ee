package collector_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/bedlamlab/bedlam/observability/collector"
)

func sketch(nodes []collector.Node) string {
	var b strings.Builder
	for _, n := range nodes {
		mark := ""
		if n.Orphan {
			mark = " (orphan)"
		}
		fmt.Fprintf(&b, "%s%s%s\n", strings.Repeat("  ", n.Depth), n.Span.Service, mark)
	}
	return b.String()
}

func TestTree(t *testing.T) {
	for name, c := range map[string]struct{ picture, want string }{
		"siblings by start": {`
		a
		  late +50
		    deep`, "a\n  late\n    deep\n"},
		"an orphan stands below the root, in its time": {`
		a
		  b
		! c
		  d
		  e +9`, "a\n  b\n  c (orphan)\n    d\n    e\n"},
		"without a root, orphans are roots": {`
		! a
		  b
		! c`, "a (orphan)\n  b\nc (orphan)\n"},
	} {
		t.Run(name, func(t *testing.T) {
			same(t, "tree", sketch(collector.Tree(draw(t, c.picture))), c.want)
		})
	}
}

// Broken exporters may send anything; no span may be lost for it.
func TestTreeOfNonsense(t *testing.T) {
	link := func(id, parent byte) collector.Span {
		return collector.Span{Trace: trace(1), ID: span(id), Parent: span(parent), Service: fmt.Sprint(id), Start: at(float64(id)), Error: true}
	}
	for name, c := range map[string]struct {
		spans []collector.Span
		want  string
	}{
		"its own parent":          {[]collector.Span{link(1, 1)}, "1 (orphan)\n"},
		"each other's parents":    {[]collector.Span{link(1, 2), link(2, 1)}, "1 (orphan)\n  2\n"},
		"a circle beside a root":  {[]collector.Span{link(3, 0), link(4, 5), link(5, 6), link(6, 4)}, "3\n  4 (orphan)\n    6\n      5\n"},
		"one id twice":            {[]collector.Span{link(1, 0), link(1, 0), link(2, 1)}, "1\n  2\n1\n"},
		"children before parents": {[]collector.Span{link(1, 2), link(2, 0)}, "2\n  1\n"},
		"two roots and an orphan": {[]collector.Span{link(1, 0), link(2, 0), link(3, 99)}, "1\n  3 (orphan)\n2\n"},
	} {
		t.Run(name, func(t *testing.T) {
			same(t, "tree", sketch(collector.Tree(c.spans)), c.want)
			if _, ok := collector.FirstFailingHop(c.spans); !ok {
				t.Error("no hop, though every span failed")
			}
		})
	}
}

func TestDeepTrace(t *testing.T) {
	const n = 100_000
	spans := make([]collector.Span, n)
	for i := range spans {
		id := func(i int) collector.SpanID { return collector.SpanID{byte(i >> 16), byte(i >> 8), byte(i)} }
		spans[i] = collector.Span{Trace: trace(1), ID: id(i + 1), Parent: id(i), Service: "s", Start: at(float64(i)), Error: true}
	}
	nodes := collector.Tree(spans)
	if len(nodes) != n || nodes[n-1].Depth != n-1 {
		t.Fatalf("%d nodes", len(nodes))
	}
	if h, ok := collector.FirstFailingHop(spans); !ok || h.Span.ID != spans[n-1].ID {
		t.Errorf("hop %+v", h)
	}
}

func TestWriteOTLP(t *testing.T) {
	spans := shopTrace(3)
	spans[4].Error, spans[4].Message, spans[4].Code = true, "bad \xff text", "UNAVAILABLE"
	var file bytes.Buffer
	if err := collector.WriteOTLP(&file, spans); err != nil {
		t.Fatal(err)
	}
	// As others read it: hexadecimal ids, numbers for enumerations.
	var raw struct {
		ResourceSpans []struct {
			ScopeSpans []struct {
				Spans []struct {
					TraceID, SpanID string
					Kind            int
				}
			}
		}
	}
	if err := json.Unmarshal(file.Bytes(), &raw); err != nil {
		t.Fatal(err)
	}
	first := raw.ResourceSpans[0].ScopeSpans[0].Spans[0]
	if first.TraceID != spans[0].Trace.String() || len(first.SpanID) != 16 || first.Kind != int(tracepb.Span_SPAN_KIND_CLIENT) {
		t.Errorf("first span: %+v", first)
	}
	// As we read it: the same spans, but for attributes that are noise.
	c := start(t, collector.Options{})
	if code, answer := post(t, c.URL()+"/v1/traces", "application/json", "", file.Bytes()); code != 200 {
		t.Fatal(code, string(answer))
	}
	want := start(t, collector.Options{})
	want.Add(spans...)
	same(t, "spans", c.Trace(spans[0].Trace), want.Trace(spans[0].Trace))
	if n := len(c.Trace(spans[0].Trace)); n != len(spans) {
		t.Errorf("%d spans, want %d", n, len(spans))
	}
	var again bytes.Buffer
	if err := collector.WriteOTLP(&again, spans); err != nil || !bytes.Equal(again.Bytes(), file.Bytes()) {
		t.Error("the same spans make another file")
	}
}
