package loadgen_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/loadgen"
	"github.com/bedlamlab/bedlam/observability/collector"
)

// gateways starts n real HTTP servers on loopback over one shop.
func gateways(t *testing.T, h http.Handler, n int) []loadgen.Gateway {
	t.Helper()
	var all []loadgen.Gateway
	for i := range n {
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		all = append(all, loadgen.Gateway{Instance: fmt.Sprintf("gateway-%d", i+1), Address: s.Listener.Addr().String()})
	}
	return all
}

// load makes load over real sockets until that many journeys have done their
// first request, and drains it.
func load(t *testing.T, c loadgen.Config, journeys int64) []loadgen.Request {
	t.Helper()
	l := &ledger{}
	begun := newBell(l, journeys, func(r loadgen.Request) bool { return r.Step == 0 })
	c.Recorder = begun
	if c.Run == "" {
		c.Run = "test"
	}
	g, err := loadgen.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	<-begun.rung
	if err := g.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	return l.all()
}

// Over real sockets, on one processor and on two: everything is answered, and
// the shop saw each request once.
func TestLoopback(t *testing.T) {
	for _, procs := range []int{1, 2} {
		t.Run(fmt.Sprintf("GOMAXPROCS=%d", procs), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			s := newShop()
			rows := load(t, loadgen.Config{Seed: 1, Rate: 300, Gateways: gateways(t, s, 2), Products: skus(50)}, 300)
			asked := map[string]int{}
			for _, r := range rows {
				asked[r.Gateway]++
				if r.Outcome != loadgen.OK || r.Sent < r.Due || r.Done <= r.Sent {
					t.Fatalf("%+v", r)
				}
			}
			if s.asked != len(rows) {
				t.Errorf("the shop saw %d requests, recorded were %d", s.asked, len(rows))
			}
			for k, n := range s.keys {
				if n != 1 {
					t.Errorf("the shop saw %d requests of key %s", n, k)
				}
			}
			// The gateways take turns.
			if a, b := asked["gateway-1"], asked["gateway-2"]; a < len(rows)*2/5 || b < len(rows)*2/5 {
				t.Errorf("%v: one gateway has much more than the other", asked)
			}
		})
	}
}

// A gateway that resets connections in the middle of requests: each request
// reaches the shop at most once, and those of which nothing came back are
// unknown if they write.
func TestSentAtMostOnce(t *testing.T) {
	t.Parallel()
	s := newShop()
	var n atomic.Int64
	s.before = func(w http.ResponseWriter, r *http.Request) bool {
		if n.Add(1)%5 != 0 {
			return false
		}
		io.Copy(io.Discard, r.Body)
		c, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return false
		}
		c.(*net.TCPConn).SetLinger(0) // closing resets
		c.Close()
		return true
	}
	var seen sync.Map
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		count, _ := seen.LoadOrStore(r.Header.Get("traceparent"), new(atomic.Int64))
		count.(*atomic.Int64).Add(1)
		s.ServeHTTP(w, r)
	})
	rows := load(t, loadgen.Config{Seed: 2, Rate: 400, Gateways: gateways(t, h, 2), Products: skus(50)}, 400)
	seen.Range(func(id, count any) bool {
		if n := count.(*atomic.Int64).Load(); n != 1 {
			t.Errorf("the shop saw the request %v %d times", id, n)
		}
		return true
	})
	lost := 0
	for _, r := range rows {
		if r.Status != 0 {
			continue
		}
		lost++
		want := loadgen.Failed
		if r.Key != "" {
			want = loadgen.Unknown
		}
		if r.Outcome != want || r.Reason != "reset" && r.Reason != "eof" {
			t.Errorf("%+v", r)
		}
	}
	if lost < len(rows)/10 {
		t.Errorf("only %d of %d requests were reset", lost, len(rows))
	}
}

// A gateway that is gone refuses its dials; the other takes over, and the
// traces say what happened.
func TestGatewayGone(t *testing.T) {
	t.Parallel()
	live := gateways(t, newShop(), 1)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := loadgen.Gateway{Instance: "gateway-0", Address: l.Addr().String()}
	l.Close()
	var mu sync.Mutex
	traces := map[collector.TraceID][]collector.Span{}
	rows := load(t, loadgen.Config{Rate: 300, Gateways: []loadgen.Gateway{gone, live[0]}, Span: func(s collector.Span) {
		mu.Lock()
		defer mu.Unlock()
		traces[s.Trace] = append(traces[s.Trace], s)
	}}, 100)
	refused := 0
	for _, r := range rows {
		if r.Outcome != loadgen.OK || r.Gateway != "gateway-1" {
			t.Fatalf("%+v", r)
		}
		spans := traces[r.TraceID]
		if len(spans) == 1 {
			continue
		}
		refused++
		top, dial := spans[0], spans[1]
		if len(spans) != 2 || top.Error || top.Attempt != 2 || dial.Parent != top.ID || dial.ID == top.ID || !dial.Error ||
			dial.Message != "refused" || dial.PeerInstance != "gateway-0" || dial.Attempt != 1 {
			t.Fatalf("%+v", spans)
		}
	}
	if refused < len(rows)/3 {
		t.Errorf("of %d requests, %d met the gateway that is gone", len(rows), refused)
	}
	// And with both gone, a request fails cleanly: nothing was sent.
	for _, r := range load(t, loadgen.Config{Rate: 300, Gateways: []loadgen.Gateway{gone}, Products: skus(5)}, 50) {
		if r.Outcome != loadgen.Failed || r.Reason != "refused" || r.Status != 0 {
			t.Fatalf("%+v", r)
		}
	}
}

// Two runs of a seed ask for the same, byte for byte but for the trace's run.
func TestSameSeedSameRequests(t *testing.T) {
	t.Parallel()
	stream := func(seed uint64) []string {
		s := newShop()
		var mu sync.Mutex
		var got []string
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(strings.NewReader(string(body)))
			mu.Lock()
			got = append(got, strings.Join([]string{r.Method, r.URL.Path, r.Header.Get("Idempotency-Key"), r.Header.Get("traceparent"), string(body)}, " "))
			mu.Unlock()
			s.ServeHTTP(w, r)
		})
		load(t, loadgen.Config{Seed: seed, Rate: 500, Gateways: gateways(t, h, 2), Products: skus(50)}, 200)
		slices.Sort(got)
		return got
	}
	// Each run stops after some 200 journeys; which is the last is chance, but
	// each finishes what it has begun, so the shorter is a part of the longer.
	a, b := stream(5), stream(5)
	shorter, longer := a, b
	if len(a) > len(b) {
		shorter, longer = b, a
	}
	for _, x := range shorter {
		if _, ok := slices.BinarySearch(longer, x); !ok {
			t.Fatalf("the shorter run made a request that the longer one did not: %s", x)
		}
	}
	if c := stream(6); slices.Equal(a, c) {
		t.Error("two seeds ask for the same")
	}
}

// A real shop that stops answering, held and released by the test: what was
// due while it was held has waited at least until the release, and nobody was
// kept from asking.
func TestRealStall(t *testing.T) {
	t.Parallel()
	s := newShop()
	held := make(chan struct{})
	hundred := make(chan struct{})
	var stalling atomic.Bool
	var waiting atomic.Int64
	s.before = func(w http.ResponseWriter, r *http.Request) bool {
		if stalling.Load() {
			if waiting.Add(1) == 100 {
				close(hundred)
			}
			<-held
		}
		return false
	}
	l, begin := &ledger{}, time.Now()
	warm := newBell(l, 100, loadgen.Request.Good)
	g, err := loadgen.Start(t.Context(), loadgen.Config{Run: "r", Rate: 200, Gateways: gateways(t, s, 2), Recorder: warm, Timeout: time.Minute, Start: begin})
	if err != nil {
		t.Fatal(err)
	}
	<-warm.rung
	stalling.Store(true)
	<-hundred // an open loop goes on asking; a closed one would hang here
	outstanding := g.Live().Outstanding
	released := time.Since(begin)
	stalling.Store(false)
	close(held)
	if err := g.Drain(context.Background()); err != nil {
		t.Fatal(err)
	}
	if outstanding < 100 {
		t.Errorf("%d requests outstanding while 100 were held", outstanding)
	}
	waited := 0
	for _, r := range l.all() {
		if r.Outcome != loadgen.OK {
			t.Fatalf("%+v", r)
		}
		if r.Due < released && r.Done >= released {
			waited++
		}
	}
	if waited < 100 {
		t.Errorf("%d requests waited for the release, 100 were held", waited)
	}
}
