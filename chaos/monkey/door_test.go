package monkey_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bedlamlab/bedlam/chaos/monkey"
)

// A stranger is a request that must be refused.
type stranger struct {
	why          string
	code         int
	method, path string
	body         string
	change       []func(*http.Request) // of one that is right
}

// strangers come to a control API at an address, of which some know the token.
func strangers(addr, token string) []stranger {
	header := func(name string, values ...string) func(*http.Request) {
		return func(q *http.Request) { q.Header[name] = values }
	}
	host := func(name string) func(*http.Request) { return func(q *http.Request) { q.Host = name } }
	deep := strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100)
	// By one byte: who is sent more than it reads hangs up, and the client may
	// learn that before it has read the answer.
	tooLarge := killCart + strings.Repeat(" ", 64<<10+1-len(killCart))
	return []stranger{
		{"no token", 401, "POST", "/v1/faults", killCart, []func(*http.Request){header("Authorization")}},
		{"an empty token", 401, "POST", "/v1/faults", killCart, []func(*http.Request){header("Authorization", "Bearer ")}},
		{"another token", 401, "POST", "/v1/faults", killCart, []func(*http.Request){header("Authorization", "Bearer "+monkey.NewToken())}},
		{"half of it", 401, "POST", "/v1/halt", "", []func(*http.Request){header("Authorization", "Bearer "+token[:20])}},
		{"and more", 401, "POST", "/v1/halt", "", []func(*http.Request){header("Authorization", "Bearer "+token+"x")}},
		{"another scheme", 401, "POST", "/v1/halt", "", []func(*http.Request){header("Authorization", "Basic "+token)}},
		{"two tokens", 401, "POST", "/v1/halt", "", []func(*http.Request){header("Authorization", "Bearer "+token, "Bearer x")}},
		{"the token in the address", 401, "POST", "/v1/halt?token=" + token + "&access_token=" + token, "", []func(*http.Request){header("Authorization")}},
		{"reading without", 401, "GET", "/metrics", "", []func(*http.Request){header("Authorization")}},
		{"the file without", 401, "GET", "/openapi.yaml", "", []func(*http.Request){header("Authorization")}},
		{"a name that leads here", 403, "POST", "/v1/faults", killCart, []func(*http.Request){host("evil.example")}},
		{"with our port", 403, "POST", "/v1/halt", "", []func(*http.Request){host("evil.example:" + addr[strings.LastIndex(addr, ":")+1:])}},
		{"an address that is not here", 403, "POST", "/v1/halt", "", []func(*http.Request){host("192.0.2.1")}},
		{"a page", 403, "POST", "/v1/faults", killCart, []func(*http.Request){header("Origin", "http://evil.example")}},
		{"a page without a name", 403, "POST", "/v1/faults", killCart, []func(*http.Request){header("Origin", "null")}},
		{"a page from here, which has none", 403, "POST", "/v1/halt", "", []func(*http.Request){header("Origin", "http://"+addr)}},
		{"two pages", 403, "POST", "/v1/halt", "", []func(*http.Request){header("Origin", "http://"+addr, "http://evil.example")}},
		{"a browser's own word", 403, "GET", "/v1/status", "", []func(*http.Request){header("Sec-Fetch-Site", "cross-site")}},
		{"no path", 404, "GET", "/", "", nil},
		{"a path above", 404, "GET", "/v1/../v1/status", "", nil},
		{"two slashes", 404, "POST", "//v1/halt", "", nil},
		{"a path below", 404, "POST", "/v1/halt/", "", nil},
		{"a coded path", 404, "POST", "/v1/halt%00", "", nil},
		{"a long path", 404, "GET", "/" + strings.Repeat("x", 8<<10), "", nil},
		{"another method", 405, "GET", "/v1/halt", "", nil},
		{"deleting", 405, "DELETE", "/v1/faults", "", nil},
		{"putting", 405, "PUT", "/v1/status", killCart, nil},
		{"a method of its own", 405, "HALT", "/v1/halt", "", nil},
		{"an override", 405, "GET", "/v1/halt", "", []func(*http.Request){header("X-Http-Method-Override", "POST")}},
		{"a body for none", 400, "POST", "/v1/pause", killCart, nil},
		{"a body to read with", 400, "GET", "/v1/status", killCart, nil},
		{"a body without end", 400, "POST", "/v1/pause", "x", []func(*http.Request){func(q *http.Request) { q.ContentLength = -1 }}},
		{"no JSON", 415, "POST", "/v1/faults", killCart, []func(*http.Request){header("Content-Type", "text/plain")}},
		{"a form", 415, "POST", "/v1/faults", killCart, []func(*http.Request){header("Content-Type", "application/x-www-form-urlencoded")}},
		{"another alphabet", 415, "POST", "/v1/faults", killCart, []func(*http.Request){header("Content-Type", "application/json; charset=utf-7")}},
		{"packed", 415, "POST", "/v1/faults", killCart, []func(*http.Request){header("Content-Encoding", "gzip")}},
		{"too large", 413, "POST", "/v1/faults", tooLarge, nil},
		{"too large, and not said", 413, "POST", "/v1/faults", tooLarge, []func(*http.Request){func(q *http.Request) { q.ContentLength = -1 }}},
		{"cut short", 400, "POST", "/v1/faults", killCart[:20], nil},
		{"two values", 400, "POST", "/v1/faults", killCart + killCart, nil},
		{"an unknown name", 400, "POST", "/v1/faults", `{"fault":"kill","selector":{"instances":["cart-2"]},"duration":"5s","command":"rm"}`, nil},
		{"a name twice", 400, "POST", "/v1/faults", `{"fault":"kill","Fault":"stop","selector":{"instances":["cart-2"]},"duration":"5s"}`, nil},
		{"too deep", 400, "POST", "/v1/faults", `{"fault":"kill","selector":{"instances":["cart-2"]},"duration":"5s","args":` + deep + `}`, nil},
		{"a list", 400, "POST", "/v1/faults", `[]`, nil},
		{"too long", 400, "POST", "/v1/faults", `{"fault":"kill","selector":{"instances":["cart-2"]},"duration":"11m"}`, nil},
		{"for no time", 400, "POST", "/v1/faults", `{"fault":"kill","selector":{"instances":["cart-2"]}}`, nil},
		{"everybody", 422, "POST", "/v1/faults", `{"fault":"kill","selector":{},"duration":"5s"}`, nil},
		{"too many", 422, "POST", "/v1/faults", `{"fault":"kill","selector":{"services":["cart"]},"mode":"all","duration":"5s"}`, nil},
		{"an unknown fault", 422, "POST", "/v1/faults", `{"fault":"$(reboot)","selector":{"instances":["cart-2"]},"duration":"5s"}`, nil},
		{"an unknown victim", 422, "POST", "/v1/faults", `{"fault":"kill","selector":{"instances":["../../etc/passwd"]},"duration":"5s"}`, nil},
		{"an unknown parameter", 422, "POST", "/v1/faults", `{"fault":"kill","selector":{"instances":["cart-2"]},"duration":"5s","args":{"exec":"sh"}}`, nil},
		{"the witness", 422, "POST", "/v1/faults", `{"fault":"kill","selector":{"services":["loader"]},"mode":"one","duration":"5s"}`, nil},
		{"an edge that is none", 422, "POST", "/v1/faults", `{"fault":"partition","selector":{"services":["bank"]},"target":{"services":["cart"]},"duration":"5s"}`, nil},
	}
}

// TestAStrangerStartsNothing: whatever is wrong with a request, it is refused,
// nothing is begun, and the monkey lives.
func TestAStrangerStartsNothing(t *testing.T) {
	s := open(t)
	for _, c := range strangers(s.addr, s.token) {
		a := s.ask(c.method, c.path, c.body, c.change...)
		var e struct{ Error string }
		if a.code != c.code || json.Unmarshal([]byte(a.body), &e) != nil || e.Error == "" {
			t.Errorf("%s: got %d %s, want %d", c.why, a.code, a.body, c.code)
		}
		if strings.Contains(a.body, s.token) {
			t.Errorf("%s: the answer tells the token", c.why)
		}
		s.quiet(c.why)
	}
}

// rawBytes are what no client would send: bodies that hide a second request,
// lines that are none.
func rawBytes(addr, token string) map[string]string {
	head := "Host: " + addr + "\r\nAuthorization: Bearer " + token + "\r\n"
	hidden := "POST /v1/halt HTTP/1.1\r\n" + head + "\r\n"
	return map[string]string{
		"two lengths":              "POST /v1/pausex HTTP/1.1\r\n" + head + "Content-Length: 0\r\nContent-Length: " + fmt.Sprint(len(hidden)) + "\r\n\r\n" + hidden,
		"a length that is none":    "POST /v1/pausex HTTP/1.1\r\n" + head + "Content-Length: +0\r\n\r\n" + hidden,
		"an encoding that is none": "POST /v1/pausex HTTP/1.1\r\n" + head + "Transfer-Encoding: xchunked\r\n\r\n" + hidden,
		"two hosts":                "POST /v1/halt HTTP/1.1\r\nHost: evil.example\r\n" + head + "\r\n",
		"no host":                  "POST /v1/halt HTTP/1.1\r\nAuthorization: Bearer " + token + "\r\n\r\n",
		"no host, of old":          "POST /v1/halt HTTP/1.0\r\nAuthorization: Bearer " + token + "\r\n\r\n",
		"another host in the line": "POST http://evil.example/v1/halt HTTP/1.1\r\n" + head + "\r\n",
		"a refusal, and more":      "POST /v1/halt HTTP/1.1\r\nHost: " + addr + "\r\nContent-Length: 0\r\n\r\n" + hidden,
		"a header in a header":     "GET /v1/status HTTP/1.1\r\nHost: " + addr + "\r\nX: y\rAuthorization: Bearer " + token + "\r\n\r\n",
		"no request":               "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		"a long header":            "GET /v1/status HTTP/1.1\r\n" + head + "X: " + strings.Repeat("x", 64<<10) + "\r\n\r\n",
		"all options":              "OPTIONS * HTTP/1.1\r\n" + "Host: " + addr + "\r\n\r\n",
		"the next protocol":        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	}
}

// TestRawBytes sends them.
func TestRawBytes(t *testing.T) {
	s := open(t)
	for why, text := range rawBytes(s.addr, s.token) {
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, text); err != nil {
			t.Logf("%s: it hangs up while it is told: %v", why, err)
		}
		c.(*net.TCPConn).CloseWrite()
		for b := bufio.NewReader(c); ; {
			a, err := http.ReadResponse(b, nil)
			if err != nil {
				break
			}
			io.Copy(io.Discard, a.Body)
			a.Body.Close()
			if a.StatusCode < 400 {
				t.Errorf("%s: %s", why, a.Status)
			}
		}
		c.Close()
		s.quiet(why)
	}
}

// TestWhoListens: nowhere but on loopback and on sockets of one's own.
func TestWhoListens(t *testing.T) {
	for _, address := range []string{"", "x", ":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:0", "localhost:0", "127.0.0.1", "unix:", "[fe80::1%lo]:0"} {
		if l, err := monkey.Listen(address); err == nil {
			l.Close()
			t.Errorf("it listens on %q", address)
		}
	}
	path := filepath.Join(t.TempDir(), "m.sock")
	l, err := monkey.Listen("unix:" + path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if _, err := monkey.Listen("unix:" + path); err == nil {
		t.Error("two listen on one socket")
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // as one that is killed
	l.Close()
	if l, err = monkey.Listen("unix:" + path); err != nil {
		t.Fatal("what one that was killed left is in the way: ", err)
	}
	defer l.Close()
	m := monkey.New(config(&hand{}, each()))
	server := monkey.Control(m, "secret")
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	defer func() { server.Close(); <-served }()
	dial := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	for host, code := range map[string]int{"localhost": 200, "evil.example": 403} {
		q, err := http.NewRequest("GET", "http://"+host+"/v1/status", nil)
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Authorization", "Bearer secret")
		a, err := dial.RoundTrip(q)
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
		if a.StatusCode != code {
			t.Errorf("%s: %s", host, a.Status)
		}
	}
	plainFile := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(plainFile, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := monkey.Listen("unix:" + plainFile); err == nil || string(read(t, plainFile)) != "mine" {
		t.Error("a file of somebody's is taken for a socket: ", err)
	}
}
