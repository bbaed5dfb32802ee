package monkey_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
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
	return openTo(t, monkey.NewToken(), plan(t, options()).Choices())
}

// openTo is open for who knows the token, with these choices.
func openTo(t *testing.T, token string, choices []monkey.Choice) *house {
	t.Helper()
	l, err := monkey.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &house{t: t, hand: &hand{}, token: token, addr: l.Addr().String()}
	c := config(s.hand, each(harm(1, time.Hour, time.Second, "kill", "cart-1")))
	c.Choices = choices
	c.Goodput = func() (float64, int) { return 1, 5 }
	s.m = monkey.New(c)
	server := monkey.Control(s.m, s.token)
	server.ErrorLog = log.New(complaints{t}, "", 0)
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

// complaints are what the server says; a handler that panics is an error.
type complaints struct{ t *testing.T }

// Write implements [io.Writer].
func (c complaints) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("panic")) {
		c.t.Errorf("%s", b)
	}
	return len(b), nil
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
