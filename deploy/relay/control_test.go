package relay_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/bedlamlab/bedlam/deploy/relay"
	"github.com/bedlamlab/bedlam/deploy/relay/relaytest"
)

// Who may talk to the control port, and how.
func TestControlPort(t *testing.T) {
	r := between(t, serve(t, echo))
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, test := range []struct {
		why, method, path, body string
		change                  func(*http.Request)
		status                  int
	}{
		{"the token opens", "GET", "/rules", "", nil, 200},
		{"no token", "GET", "/rules", "", func(q *http.Request) { q.Header.Del("Authorization") }, 401},
		{"a wrong token", "GET", "/rules", "", func(q *http.Request) { q.Header.Set("Authorization", "Bearer no") }, 401},
		{"the token without its scheme", "GET", "/rules", "", func(q *http.Request) { q.Header.Set("Authorization", relaytest.Token) }, 401},
		{"no token tells nothing of paths", "GET", "/none", "", func(q *http.Request) { q.Header.Del("Authorization") }, 401},
		{"a rebound name", "GET", "/rules", "", func(q *http.Request) { q.Host = "evil.example:80" }, 403},
		{"another address", "GET", "/rules", "", func(q *http.Request) { q.Host = "10.0.0.1" }, 403},
		{"localhost", "GET", "/rules", "", func(q *http.Request) { q.Host = "localhost:80" }, 200},
		{"IPv6's loopback", "GET", "/rules", "", func(q *http.Request) { q.Host = "[::1]:80" }, 200},
		{"a web page", "GET", "/rules", "", func(q *http.Request) { q.Header.Set("Origin", "http://127.0.0.1") }, 403},
		{"a web page without a name", "GET", "/rules", "", func(q *http.Request) { q.Header.Set("Origin", "") }, 403},
		{"unknown path", "GET", "/none", "", nil, 404},
		{"below a path", "GET", "/rules/x", "", nil, 404},
		{"wrong method", "PUT", "/rules", "", nil, 405},
		{"wrong method", "GET", "/renew", "", nil, 405},
		{"wrong method", "DELETE", "/stats", "", nil, 405},
		{"no rule", "POST", "/rules", "", nil, 400},
		{"not JSON", "POST", "/rules", "latency", nil, 400},
		{"an unknown field", "POST", "/rules", `{"ID":"r","toxicity":1}`, nil, 400},
		{"two values", "POST", "/rules", `{} {}`, nil, 400},
		{"too large", "POST", "/rules", `{"id":"` + strings.Repeat("x", 3<<20) + `"}`, nil, 413},
		{"no id", "DELETE", "/rules", "", nil, 400},
		{"upstream without a state", "PUT", "/upstream", `{"instance":"b-1"}`, nil, 400},
	} {
		t.Run(test.why, func(t *testing.T) {
			q, err := http.NewRequest(test.method, "http://"+r.Control+test.path, strings.NewReader(test.body))
			if err != nil {
				t.Fatal(err)
			}
			q.Header.Set("Authorization", "Bearer "+relaytest.Token)
			if test.change != nil {
				test.change(q)
			}
			res, err := client.Do(q)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			body, _ := io.ReadAll(res.Body)
			if res.StatusCode != test.status {
				t.Errorf("status %d (%s), want %d", res.StatusCode, bytes.TrimSpace(body), test.status)
			}
			if res.StatusCode >= 400 && (len(body) == 0 || bytes.Count(body, []byte("\n")) != 1) {
				t.Errorf("the refusal is not one line: %q", body)
			}
		})
	}
	if live, err := r.Rules(t.Context()); err != nil || len(live) != 0 {
		t.Errorf("rules left by refused requests: %v, %v", live, err)
	}
}

// A relay that cannot have its whole configuration starts with none of it.
func TestMainRefuses(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	const edge = `{"link":{"from":"a","to":"b"},"protocol":"http","listen":"127.0.0.1:0","upstream":"127.0.0.1:1"}`
	for _, test := range []struct{ why, config, says string }{
		{"nothing", ``, "EOF"},
		{"an unknown field", `{"controll":""}`, "controll"},
		{"no control port", `{"token":"0123456789abcdef"}`, "control"},
		{"a control port for all", `{"control":"0.0.0.0:0","token":"0123456789abcdef"}`, "loopback"},
		// An address for documentation is nobody's: that it cannot be had shows that it was tried.
		{"an exposed control port", `{"control":"192.0.2.1:0","exposed":true,"token":"0123456789abcdef"}`, "listening on the control port"},
		{"no token", `{"control":"127.0.0.1:0"}`, "token"},
		{"a short token", `{"control":"127.0.0.1:0","token":"short"}`, "token"},
		{"an edge twice", `{"control":"127.0.0.1:0","token":"0123456789abcdef","edges":[` + edge + `,` + edge + `]}`, "twice"},
		{"an edge from nowhere", `{"control":"127.0.0.1:0","token":"0123456789abcdef","edges":[{"protocol":"http"}]}`, "caller"},
		{"a protocol", `{"control":"127.0.0.1:0","token":"0123456789abcdef","edges":[` + strings.Replace(edge, `"http"`, `"smtp"`, 1) + `]}`, "smtp"},
		{"an address", `{"control":"127.0.0.1:0","token":"0123456789abcdef","edges":[` + strings.Replace(edge, `127.0.0.1:1"`, `b"`, 1) + `]}`, "host:port"},
		{"a taken port", `{"control":"127.0.0.1:0","token":"0123456789abcdef","edges":[` + strings.Replace(edge, `127.0.0.1:0`, taken.Addr().String(), 1) + `]}`, "a->b"},
		{"a taken control port", `{"control":"` + taken.Addr().String() + `","token":"0123456789abcdef","edges":[` + edge + `]}`, "control"},
		{"a rule for nothing", `{"control":"127.0.0.1:0","token":"0123456789abcdef","edges":[` + edge + `],"rules":[{"id":"r","kind":"partition","links":[{"from":"a","to":"c"}],"ttl":"1s"}]}`, "a->c"},
	} {
		t.Run(test.why, func(t *testing.T) {
			var ready bytes.Buffer
			err := relay.Main(t.Context(), strings.NewReader(test.config), &ready)
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want an error that says %q", err, test.says)
			}
			if ready.Len() > 0 {
				t.Errorf("it said it was ready: %s", &ready)
			}
		})
	}
}

type closedPipe struct{}

func (closedPipe) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestMainWithoutAListenerToItsReadiness(t *testing.T) {
	err := relay.Main(t.Context(), strings.NewReader(`{"control":"127.0.0.1:0","token":"0123456789abcdef"}`), closedPipe{})
	if !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v", err)
	}
}

// A relay that ends resets what it carried, and is gone for its client.
func TestMainEnds(t *testing.T) {
	r := between(t, serve(t, echo))
	live := r.dial()
	ask(t, live, "x")
	r.shape(rule("cut", "partition", "both", ""))
	held := r.dial()
	r.Stop()
	for _, c := range []net.Conn{live, held} {
		if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after the relay's end: %v", err)
		}
	}
	if err := r.Renew(t.Context()); err == nil || errors.Is(err, relay.ErrRefused) {
		t.Errorf("asking a relay that is gone: %v", err)
	}
}
