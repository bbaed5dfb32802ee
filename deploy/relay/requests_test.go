package relay_test

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/bedlamlab/bedlam/deploy/relay"
	"github.com/bedlamlab/bedlam/topology"
)

const (
	echoPath = "/test.Test/Echo"
	hangPath = "/test.Test/Hang"
	failPath = "/test.Test/Fail"
)

// An edge that reads requests changes none of them: large ones, many at once,
// headers and trailers, failures, streams both ways.
func TestAwareEdgeIsFaithfulToGRPC(t *testing.T) {
	b := rpc(t)
	r := aware(t, topology.GRPC, b.address)
	c := r.client()
	large := strings.Repeat("0123456789abcdef", 1<<18) // 4 MiB: many windows
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for _, text := range []string{"", "x", large} {
				if err := call(t, c, echoPath, text); err != nil {
					t.Errorf("%d bytes: %v", len(text), err)
				}
			}
		})
	}
	all.Wait()

	var header, trailer metadata.MD
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-word", strings.Repeat("w", 40<<10), "x-word", "2") // more than one frame
	if err := callIn(ctx, c, echoPath, "x", grpc.Header(&header), grpc.Trailer(&trailer), grpc.MaxRetryRPCBufferSize(0)); err == nil {
		if len(header.Get("x-header")) != 1 || len(trailer.Get("x-trailer")[0]) != 40<<10+2 {
			t.Errorf("header %v, trailer of %d", header, len(trailer))
		}
	} else {
		t.Error(err)
	}
	if err := call(t, c, failPath, "x"); status.Code(err) != codes.FailedPrecondition || status.Convert(err).Message() != "100 % \u2603 no" {
		t.Errorf("got %v, want the callee's own failure", err)
	}

	stream, err := c.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, echoPath)
	if err != nil {
		t.Fatal(err)
	}
	got := &wrapperspb.BytesValue{}
	for _, text := range []string{"one", "two", "three"} {
		if err := stream.SendMsg(wrapperspb.Bytes([]byte(text))); err != nil {
			t.Fatal(err)
		}
		if err := stream.RecvMsg(got); err != nil || string(got.Value) != text {
			t.Fatalf("said %s, heard %q, %v", text, got.Value, err)
		}
	}
	stream.CloseSend()
	if err := stream.RecvMsg(got); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
	if s := r.link(ab); s.Accepted != 1 || s.Open != 1 {
		t.Errorf("%+v: want one connection for all", s)
	}
}

// Deadlines travel, and whoever calls off is heard.
func TestAwareEdgePassesDeadlinesAndCancellation(t *testing.T) {
	b := rpc(t)
	c := aware(t, topology.GRPC, b.address).client()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- callIn(ctx, c, hangPath, "x") }()
	eventually(t, "it is heard", func() bool { return b.count(hangPath) == 1 })
	cancel()
	if err := <-done; status.Code(err) != codes.Canceled {
		t.Errorf("got %v", err)
	}
	if err := <-b.ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the callee's call ended with %v", err)
	}
	eventually(t, "one with a deadline is heard before it", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), soon)
		defer cancel()
		if err := callIn(ctx, c, hangPath, "x"); status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("got %v", err)
		}
		return b.count(hangPath) > 1
	})
	<-b.ended
}

// A callee that shuts down gracefully lets its callers go gracefully: what runs
// is answered, and what comes later goes elsewhere or waits, but does not fail.
func TestAwareEdgePassesGoAway(t *testing.T) {
	b := rpc(t)
	r := aware(t, topology.GRPC, b.address)
	c := r.client()
	stream, err := c.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, echoPath)
	if err != nil {
		t.Fatal(err)
	}
	say := func(text string) {
		t.Helper()
		got := &wrapperspb.BytesValue{}
		if err := stream.SendMsg(wrapperspb.Bytes([]byte(text))); err != nil {
			t.Fatal(err)
		}
		if err := stream.RecvMsg(got); err != nil || string(got.Value) != text {
			t.Fatalf("said %s, heard %q, %v", text, got.Value, err)
		}
	}
	say("before")
	stopped := make(chan struct{})
	go func() { b.stop(); close(stopped) }()
	eventually(t, "the caller has left", func() bool { return c.GetState().String() != "READY" })
	say("after")
	stream.CloseSend()
	if err := stream.RecvMsg(&wrapperspb.BytesValue{}); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
	<-stopped
}

func TestAbortGRPC(t *testing.T) {
	b := rpc(t)
	r := aware(t, topology.GRPC, b.address)
	c := r.client()
	r.shape(about("exp/1", "abort", `{"path":"/test.Test/Ec*","status":"RESOURCE_EXHAUSTED"}`))
	for _, text := range []string{"", strings.Repeat("x", 1<<20)} { // a rest of a request must not fill a window for ever
		for range 5 {
			err := call(t, c, echoPath, text)
			if s := status.Convert(err); s.Code() != codes.ResourceExhausted || s.Message() != "aborted on the way by exp/1" {
				t.Fatalf("got %v", err)
			}
		}
	}
	if err := call(t, c, failPath, "x"); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("another route: %v", err)
	}
	if n := b.count(echoPath); n != 0 {
		t.Errorf("the callee heard of %d", n)
	}
	if e := r.evidence(ab, "exp/1"); e.Requests != 10 || e.Connections != 1 {
		t.Errorf("%+v", e)
	}
	r.unshape("exp/1")
	if err := call(t, c, echoPath, "x"); err != nil {
		t.Error(err)
	}
	if s := r.link(ab); s.Accepted != 1 || s.Switched != 0 {
		t.Errorf("%+v: want one connection through all of it", s)
	}
}

func TestDelayRequest(t *testing.T) {
	b := rpc(t)
	r := aware(t, topology.GRPC, b.address)
	c := r.client()
	r.shape(about("r", "delay_request", `{"path":"/test.Test/Echo","delay":"40ms"}`))
	began := time.Now()
	if err := call(t, c, echoPath, "x"); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 40*time.Millisecond {
		t.Errorf("answered after %v", took)
	}
	// One that waits is overtaken, may be called off, and is let go by the lift.
	r.shape(about("r", "delay_request", `{"path":"/test.Test/Echo","delay":"10m"}`))
	done := make(chan error, 1)
	go func() { done <- call(t, c, echoPath, strings.Repeat("y", 30<<10)) }()
	eventually(t, "it waits", func() bool { return r.evidence(ab, "r").Requests == 1 })
	if err := call(t, c, failPath, "x"); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("a later one: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	if err := callIn(ctx, c, echoPath, "called off"); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("got %v", err)
	}
	// The answer to what comes behind says that the relay has read the end.
	if err := call(t, c, failPath, "x"); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("one behind it: %v", err)
	}
	if n := b.count(echoPath); n != 1 {
		t.Errorf("the callee has heard %d, want the first alone", n)
	}
	r.unshape("r")
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := b.count(echoPath); n != 2 {
		t.Errorf("the callee has heard %d, want what was called off never to come", n)
	}
	r.shape(about("abort", "abort", "")) // rules combine: first it waits, then it is answered
	r.shape(about("r2", "delay_request", `{"delay":"40ms"}`))
	r.unshape("abort")
	r.shape(about("abort", "abort", ""))
	began = time.Now()
	if err := call(t, c, echoPath, "x"); status.Code(err) != codes.Unavailable || time.Since(began) < 40*time.Millisecond {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
}

// A link has so many places, and who gives up keeps its turn.
func TestCapacity(t *testing.T) {
	b := rpc(t)
	r := aware(t, topology.GRPC, b.address)
	c := r.client()
	r.shape(about("r", "capacity", `{"path":"/test.Test/Echo","concurrency":2,"service_time":"60ms"}`))
	const calls = 6 // three rounds of two
	began := time.Now()
	done := make(chan error, calls)
	for range calls {
		go func() { done <- call(t, c, echoPath, "x") }()
	}
	for i := range calls {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if took, least := time.Since(began), time.Duration(i/2+1)*60*time.Millisecond; took < least {
			t.Errorf("call %d was through after %v, want not before %v", i+1, took, least)
		}
	}
	if err := call(t, c, failPath, "x"); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("one of another route: %v", err)
	}
	// Another connection stands in the same line.
	r.unshape("r")
	r.shape(about("narrow", "capacity", `{"path":"/test.Test/Echo","concurrency":1,"service_time":"300ms"}`))
	ctx, cancel := context.WithCancel(t.Context())
	began = time.Now()
	go func() { done <- callIn(ctx, c, echoPath, "gives up") }()
	eventually(t, "it waits", func() bool { return r.evidence(ab, "narrow").Requests == 1 })
	cancel()
	if err := <-done; status.Code(err) != codes.Canceled {
		t.Errorf("got %v", err)
	}
	fresh := r.client()
	defer fresh.Close()
	if err := call(t, fresh, echoPath, "x"); err != nil || time.Since(began) < 600*time.Millisecond {
		t.Errorf("after %v: %v; want a turn behind who gave up", time.Since(began), err)
	}
	// When the rule goes, who waits goes on.
	r.unshape("narrow")
	r.shape(about("shut", "capacity", `{"path":"/test.Test/Echo","concurrency":1,"service_time":"10m"}`))
	go func() { done <- call(t, c, echoPath, "x") }()
	eventually(t, "it waits", func() bool { return r.evidence(ab, "shut").Requests == 1 })
	r.unshape("shut")
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestDropResponseGRPC(t *testing.T) {
	b := rpc(t)
	r := aware(t, topology.GRPC, b.address)
	c := r.client()
	large := strings.Repeat("x", 1<<20)
	for i, test := range []struct {
		instead string
		want    codes.Code
		text    string
	}{
		{`"reset"`, codes.Internal, "RST_STREAM"},
		{`"UNAVAILABLE"`, codes.Unavailable, "answer lost on the way by r"},
	} {
		r.shape(about("r", "drop_response", `{"path":"/test.Test/*","instead":`+test.instead+`}`))
		for _, text := range []string{"", large, "x"} {
			err := call(t, c, echoPath, text)
			if s := status.Convert(err); s.Code() != test.want || !strings.Contains(s.Message(), test.text) {
				t.Errorf("%s: got %v", test.instead, err)
			}
		}
		if n := b.count(echoPath); n != 3*(i+1) {
			t.Errorf("the callee has heard %d", n)
		}
		r.unshape("r")
	}
	r.shape(about("s", "drop_response", `{"instead":"silence"}`))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- callIn(ctx, c, echoPath, large) }()
	eventually(t, "it is lost", func() bool { return r.evidence(ab, "s").Requests == 1 })
	cancel()
	if err := <-done; status.Code(err) != codes.Canceled {
		t.Errorf("silence: %v", err)
	}
	r.unshape("s")
	if err := call(t, c, echoPath, large); err != nil {
		t.Error(err)
	}
	if s := r.link(ab); s.Accepted != 1 {
		t.Errorf("%+v: want one connection through all of it", s)
	}
}

func TestDuplicateGRPC(t *testing.T) {
	b := rpc(t)
	r := aware(t, topology.GRPC, b.address)
	c := r.client()
	r.shape(about("r", "duplicate_request", `{"path":"/test.Test/Echo"}`))
	large := strings.Repeat("x", 500<<10)
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	ctx := metadata.AppendToOutgoingContext(t.Context(), "traceparent", "00-"+trace+"-00f067aa0ba902b7-01")
	for _, text := range []string{"", "x", large} {
		if err := callIn(ctx, c, echoPath, text); err != nil {
			t.Error(err)
		}
	}
	eventually(t, "the copies are answered", func() bool { return r.evidence(ab, "r").Requests == 3 })
	b.mu.Lock()
	for _, text := range []string{"", "x", large} {
		n := 0
		for _, body := range b.calls[echoPath] {
			if body == text {
				n++
			}
		}
		if n != 2 {
			t.Errorf("%d bytes were heard %d times", len(text), n)
		}
	}
	b.mu.Unlock()
	told, err := r.Touched(t.Context(), "r")
	if err != nil || told.Requests != 3 || !slices.Equal(told.Traces, []string{trace, trace, trace}) {
		t.Errorf("%+v, %v", told, err)
	}
	r.unshape("r")
	if told, err := r.Touched(t.Context(), "r"); err != nil || told.Requests != 3 {
		t.Errorf("after the lift: %+v, %v", told, err)
	}
}

func TestAwareEdgeIsFaithfulToHTTP(t *testing.T) {
	b := web(t)
	r := aware(t, topology.HTTP, b.address)
	c, url := browser(t), "http://"+r.link(ab).Listen
	for _, body := range []string{"", "x", strings.Repeat("0123456789abcdef", 1<<18)} {
		res, text, err := get(t, c, "POST", url+"/a%2Fb?q=1;2", body, "X-Forwarded-For", "someone")
		if err != nil || res.StatusCode != http.StatusAccepted || text != body {
			t.Fatalf("%v, %v, %d bytes", err, res, len(text))
		}
		if res.Trailer.Get("X-Trailer") != "someone" || res.Header["Date"] != nil || res.Header.Get("Content-Type") == "" && body != "" {
			t.Errorf("trailer %v, header %v", res.Trailer, res.Header)
		}
	}
	if b.count("/a/b") != 3 {
		t.Errorf("heard %v", b.calls)
	}
	// Who leaves is heard.
	ctx, cancel := context.WithCancel(t.Context())
	req, _ := http.NewRequestWithContext(ctx, "GET", url+"/hang", nil)
	go func() {
		for b.count("/hang") == 0 {
			time.Sleep(time.Millisecond) // a count is no event
		}
		cancel()
	}()
	if res, err := c.Do(req); err == nil {
		res.Body.Close()
		t.Error("answered")
	}
	<-b.ended
}

func TestRulesAboutHTTP(t *testing.T) {
	b := web(t)
	r := aware(t, topology.HTTP, b.address)
	url := "http://" + r.link(ab).Listen
	c := browser(t)
	r.shape(about("r", "abort", `{"method":"POST","path":"/carts/*/items","status":429}`))
	if res, text, err := get(t, c, "POST", url+"/carts/7/items", "x"); err != nil || res.StatusCode != 429 || text != "aborted on the way by r" {
		t.Errorf("%v %v %q", err, res, text)
	}
	for _, other := range [][2]string{{"GET", "/carts/7/items"}, {"POST", "/carts/7"}, {"POST", "/carts/7/items/8"}} {
		if res, _, err := get(t, c, other[0], url+other[1], ""); err != nil || res.StatusCode != http.StatusAccepted {
			t.Errorf("%v: %v %v", other, err, res)
		}
	}
	if b.count("/carts/7/items") != 1 { // the GET
		t.Error("the callee has heard of what was aborted")
	}
	r.unshape("r")

	r.shape(about("r", "drop_response", `{"path":"/pay"}`))
	if _, _, err := get(t, c, "POST", url+"/pay", "x"); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v, want a reset", err)
	}
	r.shape(about("r", "drop_response", `{"path":"/pay","instead":502}`))
	if res, text, err := get(t, c, "POST", url+"/pay", "x"); err != nil || res.StatusCode != 502 || text != "answer lost on the way by r" {
		t.Errorf("%v %v %q", err, res, text)
	}
	if n := b.count("/pay"); n != 2 {
		t.Errorf("the callee has heard %d", n)
	}
	r.shape(about("r", "drop_response", `{"path":"/pay","instead":"silence"}`))
	hasty := &http.Client{Transport: c.Transport, Timeout: soon}
	if _, _, err := get(t, hasty, "POST", url+"/pay", "x"); err == nil || !strings.Contains(err.Error(), "Timeout") {
		t.Errorf("got %v, want silence", err)
	}
	r.unshape("r")

	r.shape(about("twice", "duplicate_request", `{"path":"/pay"}`))
	for _, body := range []string{"", "twice"} {
		if res, text, err := get(t, c, "POST", url+"/pay", body); err != nil || res.StatusCode != http.StatusAccepted || text != body {
			t.Errorf("%v %v %q", err, res, text)
		}
	}
	eventually(t, "the copies are answered", func() bool { return r.evidence(ab, "twice").Requests == 2 })
	r.shape(about("d", "delay_request", `{"delay":"40ms"}`))
	began := time.Now()
	if _, _, err := get(t, c, "GET", url+"/", ""); err != nil || time.Since(began) < 40*time.Millisecond {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
}

// Rules about bytes hold on an edge that reads requests, too.
func TestRulesAboutBytesAndRequests(t *testing.T) {
	r := aware(t, topology.GRPC, rpc(t).address)
	c := r.client()
	if err := call(t, c, echoPath, "x"); err != nil {
		t.Fatal(err)
	}
	r.shape(rule("slow", "latency", "from", `{"latency":"40ms"}`))
	r.shape(about("r", "abort", ""))
	began := time.Now()
	if err := call(t, c, echoPath, "x"); status.Code(err) != codes.Unavailable || time.Since(began) < 40*time.Millisecond {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
	r.unshape("r")
	r.shape(rule("cut", "reset", "both", ""))
	if err := call(t, c, echoPath, "x"); status.Code(err) != codes.Unavailable {
		t.Errorf("got %v, want a broken connection", err)
	}
}

// The share of requests that is harmed is the share asked for, and a seed draws
// the same ones again.
func TestPercentOfRequests(t *testing.T) {
	const n, p = 1500, 0.3
	pattern := func(n int) (drawn string, hits int) {
		r := aware(t, topology.GRPC, rpc(t).address)
		defer r.Stop()
		some := about("r", "abort", `{"path":"/test.Test/Echo","percent":"30"}`)
		r.shape(some)
		c := r.client()
		defer c.Close()
		out := make([]byte, n)
		for i := range out {
			out[i] = '.'
			if call(t, c, echoPath, "") != nil {
				out[i] = 'a'
				hits++
			}
		}
		if e := r.evidence(ab, "r"); e.Requests != int64(hits) {
			t.Errorf("%d were aborted, the relay says %d", hits, e.Requests)
		}
		return string(out), hits
	}
	first, hits := pattern(n)
	// The seed is fixed, so this holds always or never: 2.576 deviations are the
	// two-sided 99 % interval of the binomial distribution.
	if far := math.Abs(float64(hits) - n*p); far > 2.576*math.Sqrt(n*p*(1-p)) {
		t.Errorf("%d of %d were aborted, want %.0f within the 99 %% interval", hits, n, n*p)
	}
	if again, _ := pattern(n / 10); again != first[:n/10] {
		t.Error("the same seed drew others")
	}
}

// An edge that nobody has read loses its live connections to the first rule
// about requests, and none to the second; the relay says how many.
func TestRuleOnAnEdgeThatIsNotAware(t *testing.T) {
	b := rpc(t)
	r := between(t, b.address)
	c := r.client()
	if err := call(t, c, echoPath, "x"); err != nil {
		t.Fatal(err)
	}
	r.shape(about("r", "abort", ""))
	if err := call(t, c, echoPath, "x", grpc.WaitForReady(true)); status.Code(err) != codes.Unavailable {
		t.Errorf("got %v", err)
	}
	eventually(t, "a new connection is aborted on", func() bool {
		err := call(t, c, echoPath, "x", grpc.WaitForReady(true))
		return status.Convert(err).Message() == "aborted on the way by r"
	})
	r.unshape("r")
	r.shape(about("r2", "drop_response", `{"instead":"DATA_LOSS"}`))
	if err := call(t, c, echoPath, "x"); status.Code(err) != codes.DataLoss {
		t.Errorf("got %v", err)
	}
	if s := r.link(ab); s.Switched != 1 || s.Accepted != 2 {
		t.Errorf("%+v: want one connection switched over, and a second one", s)
	}
}

// A relay that is started again has its rules, from the first request on.
func TestRulesAboutRequestsOfTheConfiguration(t *testing.T) {
	config := relay.Config{Edges: []relay.Edge{{Link: ab, Upstream: rpc(t).address}}}
	config.Rules = append(config.Rules, about("r", "abort", ""))
	r := start(t, config)
	if err := call(t, r.client(), echoPath, "x"); status.Convert(err).Message() != "aborted on the way by r" {
		t.Errorf("got %v", err)
	}
	if s := r.link(ab); s.Switched != 0 {
		t.Errorf("%+v: nobody was there to be switched over", s)
	}
}

func TestRefusedRulesAboutRequests(t *testing.T) {
	sql := topology.Link{From: "a-1", To: "db-1"}
	web := topology.Link{From: "a-1", To: "w-1"}
	r := start(t, relay.Config{Edges: []relay.Edge{
		{Link: ab, Upstream: "127.0.0.1:1"},
		{Link: sql, Protocol: topology.Postgres, Upstream: "127.0.0.1:1"},
		{Link: web, Protocol: topology.HTTP, Upstream: "127.0.0.1:1"},
	}})
	for _, c := range []struct {
		link       topology.Link
		kind, args string
		want       string
	}{
		{sql, "abort", `{}`, "no requests that the relay can read"},
		{sql, "delay_request", `{"delay":"1s"}`, "no requests"},
		{sql, "drop_response", `{}`, "no requests"},
		{sql, "duplicate_request", `{}`, "no requests"},
		{ab, "abort", `{"status":503}`, "status 503 is not one of grpc"},
		{web, "abort", `{"status":"UNAVAILABLE"}`, "status UNAVAILABLE is not one of http"},
		{web, "drop_response", `{"instead":"UNAVAILABLE"}`, "not one of http"},
		{ab, "abort", `{"status":"OK"}`, "unknown status"},
		{web, "abort", `{"status":200}`, "no failure of HTTP"},
		{ab, "abort", `{"path":"bank.v1.Bank/Charge"}`, "does not begin with /"},
		{ab, "abort", `{"path":"/a*b/c"}`, "a * is a whole segment"},
		{ab, "abort", `{"path":"/a?b"}`, "no query"},
		{ab, "abort", `{"method":"post"}`, "capital letters"},
		{ab, "abort", `{"percent":0}`, "above 0"},
		{ab, "abort", `{"percent":101}`, "not a percentage"},
		{ab, "delay_request", `{}`, "delay 0s is not above 0s"},
		{ab, "delay_request", `{"delay":"1h"}`, "at most 10m"},
		{ab, "capacity", `{"concurrency":0,"service_time":"1s"}`, "concurrency 0 is not between 1 and 1000"},
		{ab, "capacity", `{"concurrency":1}`, "service_time 0s is not above 0s"},
		{ab, "drop_response", `{"instead":"never"}`, "neither reset nor silence"},
	} {
		bad := about("r", c.kind, c.args)
		bad.Links = []topology.Link{c.link}
		if err := r.Shape(t.Context(), bad); !errors.Is(err, relay.ErrRefused) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: got %v, want %s", c.kind, c.args, err, c.want)
		}
	}
	one := about("r", "abort", "")
	one.Direction = "to"
	if err := r.Shape(t.Context(), one); err == nil || !strings.Contains(err.Error(), "direction must be both") {
		t.Errorf("got %v", err)
	}
}

// Again and again a rule about requests comes and goes under a live connection
// and a new one; what the process holds does not grow.
func TestRulesAboutRequestsLeakNothing(t *testing.T) {
	b := rpc(t)
	r := aware(t, topology.GRPC, b.address)
	c := r.client()
	kinds := []string{"abort", "capacity", "delay_request", "drop_response", "duplicate_request"}
	args := map[string]string{"capacity": `{"concurrency":1,"service_time":"1us"}`, "delay_request": `{"delay":"1us"}`}
	cycle := func(i int) {
		id, kind := strconv.Itoa(i), kinds[i%len(kinds)]
		r.shape(about(id, kind, args[kind]))
		fresh := c
		if i%10 == 0 {
			fresh = r.client()
			defer fresh.Close()
		}
		if err := call(t, fresh, echoPath, "x"); (err == nil) != (kind == "capacity" || kind == "delay_request" || kind == "duplicate_request") {
			t.Fatalf("%s: %v", kind, err)
		}
		eventually(t, "it is told", func() bool { return r.evidence(ab, id).Requests == 1 })
		r.unshape(id)
	}
	settle := func() int {
		eventually(t, "only the live connection is left", func() bool { return r.link(ab).Open == 1 })
		runtime.GC()
		runtime.GC()
		return descriptors(t)
	}
	for i := range 2 * len(kinds) {
		cycle(i)
	}
	before := settle()
	for i := range 200 {
		cycle(2*len(kinds) + i) // no id twice: the evidence of the first would be taken for the second's
	}
	const slack = 20 // of the test's own sockets; a leak of one in each cycle would be 200
	after := 0
	eventually(t, "descriptors are closed", func() bool { after = settle(); return after <= before+slack })
	t.Logf("%d descriptors before, %d after", before, after)
}
