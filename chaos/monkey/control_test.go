package monkey_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/bedlamlab/bedlam/chaos/monkey"
)

// A house is a monkey with its control API on a real socket.
type house struct {
	t     *testing.T
	hand  *hand
	m     *monkey.Monkey
	addr  string
	token string
}

func open(t *testing.T) *house {
	t.Helper()
	l, err := monkey.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &house{t: t, hand: &hand{}, token: monkey.NewToken(), addr: l.Addr().String()}
	c := config(s.hand, each(harm(1, time.Hour, time.Second, "kill", "cart-1")))
	c.Choices = plan(t, options()).Choices()
	c.Goodput = func() (float64, int) { return 1, 5 }
	s.m = monkey.New(c)
	server := monkey.Control(s.m, l, s.token)
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- s.m.Run(ctx) }()
	t.Cleanup(func() {
		server.Close()
		<-served
		cancel()
		if err := <-ran; err != nil {
			t.Error(err)
		}
	})
	return s
}

type answer struct {
	code   int
	header http.Header
	body   string
}

// ask sends a request with the token, unless change takes it away.
func (s *house) ask(method, path, body string, change ...func(*http.Request)) answer {
	s.t.Helper()
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	q, err := http.NewRequest(method, "http://"+s.addr+path, in)
	if err != nil {
		s.t.Fatal(err)
	}
	q.Header.Set("Authorization", "Bearer "+s.token)
	if body != "" {
		q.Header.Set("Content-Type", "application/json")
	}
	for _, c := range change {
		c(q)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	a, err := transport.RoundTrip(q)
	if err != nil {
		s.t.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{a.StatusCode, a.Header, string(b)}
}

const killCart = `{"fault":"kill","selector":{"instances":["cart-2"]},"duration":"5m"}`

// quiet says that nothing was started.
func (s *house) quiet(why string) {
	s.t.Helper()
	s.hand.mu.Lock()
	defer s.hand.mu.Unlock()
	if len(s.hand.done) > 0 || s.m.Status().State != "running" {
		s.t.Fatalf("%s: %v, %s", why, s.hand.done, s.m.Status().State)
	}
}

// TestTheWayOfAPerson: list, inject, look, pause, resume, halt.
func TestTheWayOfAPerson(t *testing.T) {
	s := open(t)
	if a := s.ask("GET", "/v1/status", ""); a.code != 200 || !strings.Contains(a.body, `"state":"running"`) || !strings.Contains(a.body, `"monkey/1"`) {
		t.Fatal(a)
	}
	a := s.ask("POST", "/v1/faults", killCart)
	var f monkey.Fault
	if err := json.Unmarshal([]byte(a.body), &f); err != nil || a.code != 201 || f.ID != "asked/1" || f.State != monkey.On || f.Origin != monkey.Asked ||
		!slices.Equal(f.Instances, []string{"cart-2"}) {
		t.Fatal(a, err)
	}
	if !s.hand.on["asked/1"] {
		t.Fatal("it is answered and not injected")
	}
	for want, body := range map[string]string{
		"1 fault is on already": killCart,
	} {
		if a := s.ask("POST", "/v1/faults", body); a.code != 409 || !strings.Contains(a.body, want) {
			t.Error(a)
		}
	}
	for _, path := range []string{"/v1/faults", "/v1/history"} {
		if a := s.ask("GET", path, ""); a.code != 200 || !strings.Contains(a.body, `"asked/1"`) {
			t.Error(path, a)
		}
	}
	if a := s.ask("POST", "/v1/pause", ""); a.code != 200 || !strings.Contains(a.body, `"state":"paused"`) {
		t.Error(a)
	}
	if a := s.ask("POST", "/v1/resume", ""); a.code != 200 || !strings.Contains(a.body, `"state":"running"`) {
		t.Error(a)
	}
	if a := s.ask("POST", "/v1/halt", ""); a.code != 200 || !strings.Contains(a.body, `"state":"halted"`) {
		t.Error(a)
	}
	s.hand.mu.Lock()
	if slices.Index(s.hand.done, "lift asked/1") < 0 {
		t.Error("halted, and not lifted: ", s.hand.done)
	}
	s.hand.mu.Unlock()
	if a := s.ask("POST", "/v1/faults", killCart); a.code != 409 {
		t.Error(a)
	}
}

// TestAStrangerStartsNothing: whatever is wrong with a request, it is refused,
// nothing is begun, and the monkey lives.
func TestAStrangerStartsNothing(t *testing.T) {
	s := open(t)
	header := func(name string, values ...string) func(*http.Request) {
		return func(q *http.Request) { q.Header[name] = values }
	}
	host := func(name string) func(*http.Request) { return func(q *http.Request) { q.Host = name } }
	deep := strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100)
	for _, c := range []struct {
		why          string
		code         int
		method, path string
		body         string
		change       []func(*http.Request)
	}{
		{"no token", 401, "POST", "/v1/faults", killCart, []func(*http.Request){header("Authorization")}},
		{"an empty token", 401, "POST", "/v1/faults", killCart, []func(*http.Request){header("Authorization", "Bearer ")}},
		{"another token", 401, "POST", "/v1/faults", killCart, []func(*http.Request){header("Authorization", "Bearer "+monkey.NewToken())}},
		{"half of it", 401, "POST", "/v1/halt", "", []func(*http.Request){header("Authorization", "Bearer "+s.token[:20])}},
		{"and more", 401, "POST", "/v1/halt", "", []func(*http.Request){header("Authorization", "Bearer "+s.token+"x")}},
		{"another scheme", 401, "POST", "/v1/halt", "", []func(*http.Request){header("Authorization", "Basic "+s.token)}},
		{"two tokens", 401, "POST", "/v1/halt", "", []func(*http.Request){header("Authorization", "Bearer "+s.token, "Bearer x")}},
		{"the token in the address", 401, "POST", "/v1/halt?token=" + s.token + "&access_token=" + s.token, "", []func(*http.Request){header("Authorization")}},
		{"reading without", 401, "GET", "/metrics", "", []func(*http.Request){header("Authorization")}},
		{"the file without", 401, "GET", "/openapi.yaml", "", []func(*http.Request){header("Authorization")}},
		{"a name that leads here", 403, "POST", "/v1/faults", killCart, []func(*http.Request){host("evil.example")}},
		{"with our port", 403, "POST", "/v1/halt", "", []func(*http.Request){host("evil.example:" + s.addr[strings.LastIndex(s.addr, ":")+1:])}},
		{"without a port", 403, "POST", "/v1/halt", "", []func(*http.Request){host("127.0.0.1")}},
		{"another port", 403, "POST", "/v1/halt", "", []func(*http.Request){host("127.0.0.1:1")}},
		{"a page", 403, "POST", "/v1/faults", killCart, []func(*http.Request){header("Origin", "http://evil.example")}},
		{"a page without a name", 403, "POST", "/v1/faults", killCart, []func(*http.Request){header("Origin", "null")}},
		{"ours, by another scheme", 403, "POST", "/v1/halt", "", []func(*http.Request){header("Origin", "https://"+s.addr)}},
		{"two pages", 403, "POST", "/v1/halt", "", []func(*http.Request){header("Origin", "http://"+s.addr, "http://evil.example")}},
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
		{"too large", 413, "POST", "/v1/faults", killCart + strings.Repeat(" ", 65<<10), nil},
		{"too large, and not said", 413, "POST", "/v1/faults", killCart + strings.Repeat(" ", 65<<10), []func(*http.Request){func(q *http.Request) { q.ContentLength = -1 }}},
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
	} {
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
	if a := s.ask("GET", "/v1/status", "", header("Origin", "http://"+s.addr)); a.code != 200 {
		t.Error("its own page is refused: ", a)
	}
}

// TestRawBytes sends what no client would: bodies that hide a second request,
// lines that are none.
func TestRawBytes(t *testing.T) {
	s := open(t)
	head := "Host: " + s.addr + "\r\nAuthorization: Bearer " + s.token + "\r\n"
	hidden := "POST /v1/halt HTTP/1.1\r\n" + head + "\r\n"
	for why, text := range map[string]string{
		"two lengths":              "POST /v1/pausex HTTP/1.1\r\n" + head + "Content-Length: 0\r\nContent-Length: " + fmt.Sprint(len(hidden)) + "\r\n\r\n" + hidden,
		"a length that is none":    "POST /v1/pausex HTTP/1.1\r\n" + head + "Content-Length: +0\r\n\r\n" + hidden,
		"an encoding that is none": "POST /v1/pausex HTTP/1.1\r\n" + head + "Transfer-Encoding: xchunked\r\n\r\n" + hidden,
		"two hosts":                "POST /v1/halt HTTP/1.1\r\nHost: evil.example\r\n" + head + "\r\n",
		"no host":                  "POST /v1/halt HTTP/1.1\r\nAuthorization: Bearer " + s.token + "\r\n\r\n",
		"no host, of old":          "POST /v1/halt HTTP/1.0\r\nAuthorization: Bearer " + s.token + "\r\n\r\n",
		"another host in the line": "POST http://evil.example/v1/halt HTTP/1.1\r\n" + head + "\r\n",
		"a refusal, and more":      "POST /v1/halt HTTP/1.1\r\nHost: " + s.addr + "\r\nContent-Length: 0\r\n\r\n" + hidden,
		"a header in a header":     "GET /v1/status HTTP/1.1\r\nHost: " + s.addr + "\r\nX: y\rAuthorization: Bearer " + s.token + "\r\n\r\n",
		"no request":               "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		"a long header":            "GET /v1/status HTTP/1.1\r\n" + head + "X: " + strings.Repeat("x", 64<<10) + "\r\n\r\n",
		"all options":              "OPTIONS * HTTP/1.1\r\n" + "Host: " + s.addr + "\r\n\r\n",
		"the next protocol":        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	} {
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
	server := monkey.Control(m, l, "secret")
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

// TestTheFileSaysWhatThereIs: every route of the file answers as it says, and
// every route that answers is in the file.
func TestTheFileSaysWhatThereIs(t *testing.T) {
	var file struct {
		Paths map[string]map[string]struct {
			Responses map[string]any
		}
	}
	if err := yaml.Unmarshal(monkey.OpenAPI(), &file); err != nil {
		t.Fatal(err)
	}
	s := open(t)
	if a := s.ask("GET", "/openapi.yaml", ""); a.code != 200 || a.body != string(monkey.OpenAPI()) {
		t.Error("the file that it serves is another")
	}
	var documented []string
	for path, methods := range file.Paths {
		for method := range methods {
			documented = append(documented, strings.ToUpper(method)+" "+path)
		}
	}
	slices.SortFunc(documented, func(a, b string) int { // halt comes last: nothing is like before after it
		return strings.Compare(strings.Replace(a, "POST /v1/halt", "~", 1), strings.Replace(b, "POST /v1/halt", "~", 1))
	})
	for _, r := range documented {
		method, path, _ := strings.Cut(r, " ")
		body := ""
		if r == "POST /v1/faults" {
			body = killCart
		}
		a := s.ask(method, path, body)
		if _, ok := file.Paths[path][strings.ToLower(method)].Responses[fmt.Sprint(a.code)]; !ok || a.code >= 300 {
			t.Errorf("%s: %d %s, which the file does not say", r, a.code, a.body)
		}
	}
	want := slices.Concat(monkey.Routes(), []string{"GET /metrics", "GET /openapi.yaml"})
	slices.Sort(want)
	slices.Sort(documented)
	if diff := cmp.Diff(want, documented); diff != "" {
		t.Errorf("routes and openapi.yaml differ (-routes +documented):\n%s", diff)
	}
}

// TestAnswersAreAsTheFileSays holds what is answered against the file's schemas.
func TestAnswersAreAsTheFileSays(t *testing.T) {
	s := open(t)
	if a := s.ask("POST", "/v1/faults", `{"fault":"latency","selector":{"instances":["payment-1"]},"target":{"services":["bank"]},"direction":"from","args":{"delay":{"latency":"300ms"}},"duration":"5m"}`); a.code != 201 {
		t.Fatal(a)
	}
	for path, schema := range map[string]string{"/v1/status": "Status", "/v1/faults": "Fault", "/v1/history": "Fault", "/v1/catalogue": "Choice", "/nowhere": "Error"} {
		a := s.ask("GET", path, "")
		if err := fits(t, schema, a.body); err != nil {
			t.Errorf("%s: %v\n%s", path, err, a.body)
		}
	}
	if err := fits(t, "Status", `{"state":"asleep"}`); err == nil {
		t.Error("anything fits")
	}
}

func TestMetricsAreReadByPrometheus(t *testing.T) {
	s := open(t)
	if a := s.ask("POST", "/v1/faults", killCart); a.code != 201 {
		t.Fatal(a)
	}
	a := s.ask("GET", "/metrics", "")
	if !strings.HasPrefix(a.header.Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Error(a.header)
	}
	p := expfmt.NewTextParser(model.LegacyValidation)
	families, err := p.TextToMetricFamilies(bytes.NewReader([]byte(a.body)))
	if err != nil {
		t.Fatal(err)
	}
	if f := families["bedlam_monkey_faults_live"]; f == nil || f.GetMetric()[0].GetGauge().GetValue() != 1 {
		t.Error(a.body)
	}
}

func FuzzAsk(f *testing.F) {
	for _, s := range []string{killCart, `{}`, `[`, `{"fault":"latency","args":{"delay":{"latency":"1s"}},"duration":"1s","mode":"fixed","value":3}`, `{"fault":"a","fault":"b"}`, "\xff"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := monkey.ParseAsk(b)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Fatalf("more than a line: %q", err)
			}
			return
		}
		again, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := monkey.ParseAsk(again); err != nil {
			t.Fatalf("%s is %s, which is refused: %v", b, again, err)
		}
	})
}
