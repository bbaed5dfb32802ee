package serve_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/bedlamlab/bedlam/services/catalog/catalogpb"
	"github.com/bedlamlab/bedlam/services/internal/serve"
	"github.com/bedlamlab/bedlam/services/internal/servetest"
	"github.com/bedlamlab/bedlam/topology"
)

// probe is a service that does on Get what a test tells it to. The
// catalogue's contract serves as its own.
type probe struct {
	catalogpb.UnimplementedCatalogServer
	env *serve.Env
	get func(context.Context, *serve.Env) error
}

func (p *probe) Get(ctx context.Context, r *catalogpb.GetRequest) (*catalogpb.Product, error) {
	return &catalogpb.Product{Sku: r.GetSku()}, p.get(ctx, p.env)
}

// service returns a service called probe.
func service(get func(context.Context, *serve.Env) error) serve.Service {
	return serve.Service{
		Name: "probe",
		Register: func(_ context.Context, e *serve.Env, s *grpc.Server) error {
			catalogpb.RegisterCatalogServer(s, &probe{env: e, get: get})
			return nil
		},
	}
}

func assignment() topology.Assignment {
	return topology.Assignment{System: "shop", Instance: topology.Instance{Name: "probe-1", Service: "probe", Replica: 1, Zone: "a"}}
}

// start runs s until the test ends or stop is called.
func start(t *testing.T, s serve.Service, a topology.Assignment) (c catalogpb.CatalogClient, stop func()) {
	t.Helper()
	address, stop := servetest.Start(t, func(ctx context.Context, a topology.Assignment) error { return serve.Run(ctx, a, s) }, a)
	return catalogpb.NewCatalogClient(servetest.Dial(t, address)), stop
}

func get(t *testing.T, c catalogpb.CatalogClient) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := c.Get(ctx, &catalogpb.GetRequest{Sku: "x"})
	return err
}

// receiver takes OTLP traces in.
type receiver struct {
	*httptest.Server
	mu    sync.Mutex
	spans []*tracepb.Span
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		if q.URL.Path != "/v1/traces" {
			return
		}
		var batch collectorpb.ExportTraceServiceRequest
		if err := proto.Unmarshal(body, &batch); err != nil {
			t.Errorf("what was sent is no OTLP: %v", err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, rs := range batch.GetResourceSpans() {
			for _, ss := range rs.GetScopeSpans() {
				r.spans = append(r.spans, ss.GetSpans()...)
			}
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// with returns the spans whose attribute has that value.
func (r *receiver) with(key, value string) []*tracepb.Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []*tracepb.Span
	for _, s := range r.spans {
		if attribute(s, key) == value {
			found = append(found, s)
		}
	}
	return found
}

func attribute(s *tracepb.Span, key string) string {
	for _, a := range s.GetAttributes() {
		if a.GetKey() == key {
			return a.GetValue().GetStringValue()
		}
	}
	return ""
}

// forward listens on address and joins whoever comes to the one at to, until
// the test ends. The first few it turns away, as a store does that is still
// starting.
func forward(t *testing.T, address, to string, few int) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			if few--; few >= 0 {
				in.Close()
				continue
			}
			go func() {
				defer in.Close()
				out, err := net.Dial("tcp", to)
				if err != nil {
					return
				}
				defer out.Close()
				go func() { _, _ = io.Copy(out, in); out.Close() }()
				_, _ = io.Copy(in, out)
			}()
		}
	}()
}
