package collector_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/observability/collector"
)

// shopTrace makes the spans of one checkout as the shop sends them: seventeen
// spans over six services, the attributes of gRPC, HTTP and SQL among them.
func shopTrace(n int) []collector.Span {
	at := time.Unix(1_700_000_000, 0).Add(time.Duration(n) * 5 * time.Millisecond)
	var trace collector.TraceID
	trace[0], trace[15] = 1, 1
	for i := range 8 {
		trace[2+i] = byte(n >> (8 * i))
	}
	var spans []collector.Span
	id := func(i int) (s collector.SpanID) {
		copy(s[:], trace[2:10])
		s[6], s[7] = 1, byte(i)
		return s
	}
	add := func(parent int, s collector.Span) int {
		i := len(spans) + 1
		s.Trace, s.ID = trace, id(i)
		if parent > 0 {
			s.Parent = id(parent)
		}
		s.Start = at.Add(time.Duration(i) * 137 * time.Microsecond)
		s.End = s.Start.Add(time.Duration(20-i)*time.Millisecond + time.Duration(n%997)*time.Microsecond)
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

// BenchmarkIngest sends batches as the SDKs do, 512 spans each, over loopback.
// It reports the CPU time of a span with the sending side included, and what a
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
