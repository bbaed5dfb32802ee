package relay_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/relay"
	"github.com/bedlamlab/bedlam/topology"
)

// A callee is a server that remembers what it was asked.
type callee struct {
	address string
	stop    func() // lets what runs end

	mu    sync.Mutex
	calls map[string][]string // bodies, by path
	ended chan error          // why a call that hangs ended
}

func (c *callee) heard(path, body string) {
	c.mu.Lock()
	c.calls[path] = append(c.calls[path], body)
	c.mu.Unlock()
}

func (c *callee) count(path string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.calls[path])
}

func newCallee() *callee { return &callee{calls: map[string][]string{}, ended: make(chan error, 100)} }

// rpc serves gRPC: Echo repeats every message of the caller's, with a header
// and a trailer; Hang never answers; Fail fails.
func rpc(t testing.TB) *callee {
	t.Helper()
	c := newCallee()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(grpc.MaxRecvMsgSize(64<<20), grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		path, _ := grpc.MethodFromServerStream(stream)
		md, _ := metadata.FromIncomingContext(stream.Context())
		stream.SetTrailer(metadata.Pairs("x-trailer", strings.Join(md.Get("x-word"), ",")))
		stream.SendHeader(metadata.Pairs("x-header", "yes"))
		for {
			m := &wrapperspb.BytesValue{}
			err := stream.RecvMsg(m)
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				c.ended <- err
				return err
			}
			c.heard(path, string(m.Value))
			switch {
			case strings.HasSuffix(path, "/Hang"):
				<-stream.Context().Done()
				c.ended <- stream.Context().Err()
				return stream.Context().Err()
			case strings.HasSuffix(path, "/Fail"):
				return status.Error(codes.FailedPrecondition, "100 % \u2603 no")
			}
			if err := stream.SendMsg(m); err != nil {
				return err
			}
		}
	}))
	go s.Serve(ln)
	t.Cleanup(s.Stop)
	c.address, c.stop = ln.Addr().String(), s.GracefulStop
	return c
}

// web serves HTTP/1: it repeats the body, with a trailer.
func web(t testing.TB) *callee {
	t.Helper()
	c := newCallee()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			c.ended <- err
			return
		}
		c.heard(r.URL.Path, string(body))
		if r.URL.Path == "/hang" {
			<-r.Context().Done()
			c.ended <- r.Context().Err()
			return
		}
		w.Header().Set("Trailer", "X-Trailer")
		w.Header()["Date"] = nil
		w.WriteHeader(http.StatusAccepted)
		w.Write(body)
		w.Header().Set("X-Trailer", r.Header.Get("X-Forwarded-For"))
	}))
	t.Cleanup(s.Close)
	c.address = s.Listener.Addr().String()
	return c
}

// aware runs a relay with one edge that reads requests.
func aware(t testing.TB, p topology.Protocol, upstream string) *rig {
	return start(t, relay.Config{Edges: []relay.Edge{{Link: ab, Protocol: p, Upstream: upstream, Aware: true}}})
}

// client connects to the edge with gRPC.
func (r *rig) client() *grpc.ClientConn {
	r.t.Helper()
	c, err := grpc.NewClient("passthrough:///"+r.link(ab).Listen, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDisableRetry(), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20)))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	return c
}

// call asks for what it says.
func call(t testing.TB, c *grpc.ClientConn, path, text string, opts ...grpc.CallOption) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return callIn(ctx, c, path, text, opts...)
}

func callIn(ctx context.Context, c *grpc.ClientConn, path, text string, opts ...grpc.CallOption) error {
	out := &wrapperspb.BytesValue{}
	err := c.Invoke(ctx, path, wrapperspb.Bytes([]byte(text)), out, opts...)
	if err == nil && string(out.Value) != text {
		return errors.New("the answer is not what was said")
	}
	return err
}

// get asks over HTTP/1 and returns the answer with its body.
func get(t testing.TB, c *http.Client, method, url, body string, header ...string) (*http.Response, string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := c.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	var text bytes.Buffer
	_, err = text.ReadFrom(res.Body)
	return res, text.String(), err
}

// browser is a client of HTTP/1 with connections of its own.
func browser(t testing.TB) *http.Client {
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience}
}

// about is a rule about requests on ab.
func about(id, kind, args string) deploy.Rule { return rule(id, kind, "both", args) }

// soon is a deadline of those who do not wait long.
const soon = 50 * time.Millisecond
