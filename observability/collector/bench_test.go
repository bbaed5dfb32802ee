package collector_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"testing"
	"time"

	traceservice "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/bedlamlab/bedlam/observability/collector"
)

// shopTrace makes the spans of one checkout as the shop sends them: seventeen
// spans over six services, the attributes of gRPC, HTTP and SQL among them.
func shopTrace(n int) []collector.Span {
	at := time.Unix(1_700_000_000, 0).Add(time.Duration(n) * 5 * time.Millisecond)
	// Ids are random, as they are in life: they are what does not pack.
	chance := rand.New(rand.NewPCG(1, uint64(n)))
	var trace collector.TraceID
	binary.BigEndian.PutUint64(trace[:], chance.Uint64())
	binary.BigEndian.PutUint64(trace[8:], chance.Uint64())
	var ids []collector.SpanID
	for range 32 {
		ids = append(ids, collector.SpanID(binary.BigEndian.AppendUint64(nil, chance.Uint64()|1)))
	}
	id := func(i int) collector.SpanID { return ids[i] }
	var spans []collector.Span
	add := func(parent int, s collector.Span) int {
		i := len(spans) + 1
		s.Trace, s.ID = trace, id(i)
		if parent > 0 {
			s.Parent = id(parent)
		}
		s.Start = at.Add(time.Duration(i)*137*time.Microsecond + time.Duration(chance.IntN(100_000)))
		s.End = s.Start.Add(time.Duration(20-i)*time.Millisecond + time.Duration(chance.IntN(1_000_000)))
		s.Instance = fmt.Sprintf("%s-%d", s.Service, 1+n%2)
		spans = append(spans, s)
		return i
	}
	call := func(parent int, from, to, method string) int {
		c := add(parent, collector.Span{Service: from, Name: method, Kind: collector.Client, Peer: to, PeerInstance: to + "-2", Attempt: 1, Code: "OK",
			Attrs: map[string]string{"rpc.system": "grpc", "rpc.service": to, "rpc.method": method, "server.address": "127.0.0.1:21007"}})
		return add(c, collector.Span{Service: to, Name: method, Kind: collector.Server, Code: "OK",
			Attrs: map[string]string{"rpc.system.name": "grpc", "rpc.method": method, "server.address": "127.0.0.1", "network.peer.port": fmt.Sprint(40000 + n%20000)}})
	}
	sql := func(parent int, service, statement string) {
		add(parent, collector.Span{Service: service, Name: "query " + statement, Kind: collector.Client, Peer: "postgres", PeerInstance: "postgres-1",
			Attrs: map[string]string{"db.system.name": "postgresql", "db.query.text": statement + " … FROM " + service + ".lines WHERE id = $1", "db.operation.name": statement}})
	}
	root := add(0, collector.Span{Service: "loader", Name: "POST /api/checkout", Kind: collector.Client, Peer: "gateway", PeerInstance: "gateway-1", Attempt: 1, Code: "201"})
	gateway := add(root, collector.Span{Service: "gateway", Name: "POST /api/checkout", Kind: collector.Server, Code: "201",
		Attrs: map[string]string{"http.request.method": "POST", "http.route": "/api/checkout", "url.path": "/api/checkout", "user_agent.original": "bedlam"}})
	checkout := call(gateway, "gateway", "checkout", "Checkout")
	sql(checkout, "checkout", "INSERT")
	sql(call(checkout, "checkout", "cart", "Read"), "cart", "SELECT")
	sql(call(checkout, "checkout", "inventory", "Reserve"), "inventory", "UPDATE")
	payment := call(checkout, "checkout", "payment", "Charge")
	sql(payment, "payment", "INSERT")
	sql(call(payment, "payment", "bank", "Charge"), "bank", "INSERT")
	sql(checkout, "checkout", "UPDATE")
	return spans
}

// BenchmarkDecode compares reading the wire format with the types generated
// for OTLP, which is why the collector does the former.
func BenchmarkDecode(b *testing.B) {
	var spans []collector.Span
	for n := range 30 {
		spans = append(spans, shopTrace(n)...)
	}
	body := collector.EncodeForTest(spans)
	b.Run("wire", func(b *testing.B) {
		decode := collector.DecodeForTest()
		for b.Loop() {
			if n, err := decode(body); err != nil || n != len(spans) {
				b.Fatal(n, err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(spans)), "ns/span")
	})
	b.Run("generated", func(b *testing.B) {
		for b.Loop() {
			var q traceservice.ExportTraceServiceRequest
			if err := proto.Unmarshal(body, &q); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(spans)), "ns/span")
	})
}

// BenchmarkIngest sends batches as the SDKs do, 512 spans each, over loopback.
// It reports the time of a span with the sending side included, and what a
// span takes in memory and on the disk.
func BenchmarkIngest(b *testing.B) {
	c, err := collector.Start(context.Background(), collector.Options{Dir: b.TempDir(), Limit: 1 << 40})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close(context.Background())
	const batch = 512
	next := 0
	body := func() []byte {
		var spans []collector.Span
		for len(spans) < batch {
			spans = append(spans, shopTrace(next)...)
			next++
		}
		return collector.EncodeForTest(spans[:batch])
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var bytesIn int
	b.ResetTimer()
	spans := 0
	for b.Loop() {
		b.StopTimer()
		raw := body()
		bytesIn += len(raw)
		b.StartTimer()
		a, err := http.Post(c.URL()+"/v1/traces", "application/x-protobuf", bytes.NewReader(raw))
		if err != nil {
			b.Fatal(err)
		}
		a.Body.Close()
		if a.StatusCode != http.StatusOK {
			b.Fatal(a.Status)
		}
		spans += batch
	}
	b.StopTimer()
	if err := c.Sync(); err != nil {
		b.Fatal(err)
	}
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(spans), "ns/span")
	b.ReportMetric(float64(bytesIn)/float64(spans), "sent-B/span")
	b.ReportMetric(float64(c.Stats().Bytes)/float64(spans), "disk-B/span")
	b.ReportMetric((float64(after.HeapAlloc)-float64(before.HeapAlloc))/float64(spans), "heap-B/span")
	if got := c.Len(); got != spans {
		b.Fatalf("kept %d spans of %d", got, spans)
	}
}
