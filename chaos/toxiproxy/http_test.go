package toxiproxy_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	client "github.com/Shopify/toxiproxy/v2/client"

	"github.com/bedlamlab/bedlam/chaos/toxiproxy"
)

// send makes a request as it stands.
func (w *world) send(t testing.TB, method, path, body string, change func(*http.Request)) (status int, answer string) {
	t.Helper()
	q, err := http.NewRequest(method, w.server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(q)
	}
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return a.StatusCode, string(b)
}

// The shapes of answers, to the letter.
func TestAnswers(t *testing.T) {
	w := start(t)
	const toxics = "/proxies/" + link + "/toxics"
	front := fmt.Sprintf(`{"name":"loader-1:front-1","listen":%q,"upstream":%q,"enabled":true,"toxics":[]}`, w.proxy(t, "loader-1:front-1").Listen, w.own["front-1"])
	const slow = `{"attributes":{"latency":5,"jitter":0},"name":"latency_downstream","type":"latency","stream":"downstream","toxicity":1,"ttl":86400000,"seed":9}`
	for _, step := range []struct {
		method, path, body string
		status             int
		answer             string
	}{
		{"GET", "/version", "", 200, `{"version":"2.12.0"}`},
		{"GET", "/proxies/loader-1:front-1", "", 200, front},
		{"GET", "/proxies/loader-1%3Afront-1", "", 200, front},
		{"PATCH", "/proxies/loader-1:front-1", `{}`, 200, front},
		{"POST", "/proxies/loader-1:front-1", front, 200, front},
		{"POST", "/populate", "[" + front + "]", 201, `{"proxies":[` + front + `]}`},
		{"POST", "/populate", "[]", 201, `{"proxies":null}`},
		{"POST", "/populate", `[{"upstream":"x"}]`, 400, `{"error":"missing required field: name at proxy 1","status":400,"proxies":null}`},
		{"POST", "/proxies", `{"name":"x"}`, 400, `{"error":"missing required field: upstream","status":400}`},
		{"POST", "/proxies", ``, 400, `{"error":"bad request body: EOF","status":400}`},
		{"GET", "/proxies/x", "", 404, `{"error":"proxy not found","status":404}`},
		{"GET", toxics, "", 200, `[]`},
		{"POST", toxics, `{"type":"latency","attributes":{"latency":5,"unknown":[1]},"ttl":86400000,"seed":9}`, 200, slow},
		{"POST", toxics, `{"type":"latency"}`, 409, `{"error":"toxic already exists","status":409}`},
		{"GET", toxics, "", 200, `[` + slow + `]`},
		{"GET", toxics + "/latency_downstream", "", 200, slow},
		{"POST", toxics + "/latency_downstream", `{"name":"other","stream":"upstream","attributes":{"seed":8}}`, 200, strings.Replace(slow, `:9}`, `:8}`, 1)},
		{"PATCH", toxics + "/latency_downstream", `{"seed":9}`, 200, slow},
		{"PATCH", toxics + "/latency_downstream", `{"attributes":{"latency":"x"}}`, 400, `{"error":"bad request body: latency cannot be: string","status":400}`},
		{"PATCH", toxics + "/latency_downstream", `[]`, 400, `{"error":"bad request body: the whole cannot be: array","status":400}`},
		{"DELETE", toxics + "/latency_downstream", "", 204, ``},
		{"DELETE", toxics + "/latency_downstream", "", 404, `{"error":"toxic not found","status":404}`},
		{"POST", toxics, `{"type":"noop","name":"n","stream":"UPSTREAM","toxicity":0.25,"seed":1}`, 200, `{"attributes":{},"name":"n","type":"noop","stream":"UPSTREAM","toxicity":0.25,"seed":1}`},
		{"POST", "/reset", "", 204, ``},
	} {
		status, answer := w.send(t, step.method, step.path, step.body, nil)
		if answer = strings.TrimSpace(answer); status != step.status || answer != step.answer {
			t.Errorf("%s %s %s:\n%d %s, want\n%d %s", step.method, step.path, step.body, status, answer, step.status, step.answer)
		}
	}
}

// What is refused changes nothing: not the relay, not the journal, not the API.
func TestAttacks(t *testing.T) {
	w := start(t)
	_, before := w.send(t, "GET", "/proxies", "", nil)
	const toxics = "/proxies/" + link + "/toxics"
	const good = `{"type":"timeout"}`
	head := func(name, value string) func(*http.Request) {
		return func(q *http.Request) { q.Header.Set(name, value) }
	}
	host := func(name string) func(*http.Request) { return func(q *http.Request) { q.Host = name } }
	for _, test := range []struct {
		why, method, path, body string
		change                  func(*http.Request)
		status                  int
	}{
		{"a rebound name", "POST", toxics, good, host("evil.example:8474"), 403},
		{"a name that begins well", "POST", toxics, good, host("localhost.evil.example"), 403},
		{"another address", "POST", toxics, good, host("10.0.0.1:8474"), 403},
		{"a web page", "POST", toxics, good, head("Origin", "http://127.0.0.1"), 403},
		{"a web page without a name", "POST", "/reset", "", head("Origin", "null"), 403},
		{"an empty origin", "POST", toxics, good, head("Origin", ""), 403},
		{"a browser", "POST", toxics, good, head("User-Agent", "Mozilla/5.0"), 403},
		{"too large", "POST", toxics, `{"type":"timeout","name":"` + strings.Repeat("x", 1<<20) + `"}`, nil, 413},
		{"too large to populate", "POST", "/populate", `[` + strings.Repeat(" ", 1<<20) + `]`, nil, 413},
		{"too deep", "POST", toxics, `{"attributes":` + strings.Repeat("[", 20_000), nil, 400},
		{"a long name", "POST", toxics, `{"type":"timeout","name":"` + strings.Repeat("x", 129) + `"}`, nil, 400},
		{"a name over two lines", "POST", toxics, `{"type":"timeout","name":"a\nb"}`, nil, 400},
		{"a name with a slash", "POST", "/proxies", `{"name":"../x","upstream":"` + w.own["back-1"] + `"}`, nil, 400},
		{"another path", "GET", "/", "", nil, 404},
		{"a path below", "GET", toxics + "/x/y", "", nil, 404},
		{"no proxy", "GET", "/proxies//toxics", "", nil, 404},
		{"the relay's own path", "GET", "/rules", "", nil, 404},
		{"metrics", "GET", "/metrics", "", nil, 404},
		{"reset by reading", "GET", "/reset", "", nil, 405},
		{"populate by reading", "GET", "/populate", "", nil, 405},
		{"all proxies at once", "DELETE", "/proxies", "", nil, 405},
		{"all toxics at once", "DELETE", toxics, "", nil, 405},
		{"another method", "PUT", toxics, good, nil, 405},
		{"a method of nobody's", "BREAK", "/proxies", "", nil, 405},
		{"not JSON", "POST", toxics, "latency", nil, 400},
		{"nothing", "POST", toxics, "", nil, 400},
		{"two values", "POST", toxics, good + good, nil, 400},
		{"a list", "POST", toxics, `[]`, nil, 400},
		{"no type", "POST", toxics, `{}`, nil, 400},
		{"another type", "POST", toxics, `{"type":"partition"}`, nil, 400},
		{"a stream of nowhere", "POST", toxics, `{"type":"timeout","stream":"both"}`, nil, 400},
		{"toxicity above 1", "POST", toxics, `{"type":"timeout","toxicity":1.1}`, nil, 400},
		{"toxicity below 0", "POST", toxics, `{"type":"timeout","toxicity":-1}`, nil, 400},
		{"a ttl below 0", "POST", toxics, `{"type":"timeout","ttl":-1}`, nil, 400},
		{"a ttl of two days", "POST", toxics, `{"type":"timeout","attributes":{"ttl":172800000}}`, nil, 400},
		{"a seed below 0", "POST", toxics, `{"type":"timeout","seed":-1}`, nil, 400},
		{"attributes of nothing", "POST", toxics, `{"type":"timeout","attributes":5}`, nil, 400},
		{"a text for a number", "POST", toxics, `{"type":"timeout","attributes":{"timeout":"5"}}`, nil, 400},
		{"half a millisecond", "POST", toxics, `{"type":"timeout","attributes":{"timeout":0.5}}`, nil, 400},
		{"a timeout below 0", "POST", toxics, `{"type":"timeout","attributes":{"timeout":-5}}`, nil, 400},
		{"a timeout of hours", "POST", toxics, `{"type":"timeout","attributes":{"timeout":86400000}}`, nil, 400},
		{"a number beyond all", "POST", toxics, `{"type":"latency","attributes":{"latency":1e400}}`, nil, 400},
		{"a latency below 0", "POST", toxics, `{"type":"latency","attributes":{"latency":-5}}`, nil, 400},
		{"a jitter below 0", "POST", toxics, `{"type":"latency","attributes":{"jitter":-5}}`, nil, 400},
		{"a rate below 0", "POST", toxics, `{"type":"bandwidth","attributes":{"rate":-5}}`, nil, 400},
		{"a rate beyond all", "POST", toxics, `{"type":"bandwidth","attributes":{"rate":1000000001}}`, nil, 400},
		{"a delay below 0", "POST", toxics, `{"type":"slow_close","attributes":{"delay":-5}}`, nil, 400},
		{"a reset before its time", "POST", toxics, `{"type":"reset_peer","attributes":{"timeout":-5}}`, nil, 400},
		{"slices of nothing", "POST", toxics, `{"type":"slicer"}`, nil, 400},
		{"slices of less than nothing", "POST", toxics, `{"type":"slicer","attributes":{"average_size":5,"size_variation":5}}`, nil, 400},
		{"slices that are hours apart", "POST", toxics, `{"type":"slicer","attributes":{"average_size":5,"delay":3600000000}}`, nil, 400},
		{"a limit below 0", "POST", toxics, `{"type":"limit_data","attributes":{"bytes":-5}}`, nil, 400},
		{"a toxic of nobody's", "PATCH", toxics + "/x", `{}`, nil, 404},
		{"a proxy of nobody's", "PATCH", "/proxies/x", `{}`, nil, 404},
	} {
		t.Run(test.why, func(t *testing.T) {
			status, answer := w.send(t, test.method, test.path, test.body, test.change)
			if status != test.status {
				t.Errorf("status %d (%s), want %d", status, answer, test.status)
			}
			if status == http.StatusNotFound || status == http.StatusMethodNotAllowed {
				return // Go's own words for a path
			}
			var said client.ApiError
			if err := json.Unmarshal([]byte(answer), &said); err != nil || said.Status != test.status || said.Message == "" || strings.Contains(said.Message, "\n") {
				t.Errorf("%s, %v; want an error of one line", answer, err)
			}
		})
	}
	if _, after := w.send(t, "GET", "/proxies", "", nil); after != before {
		t.Errorf("it was\n%s\nand is\n%s", before, after)
	}
	if live, said := w.rules(t), w.kinds(); len(live) > 0 || len(said) > 0 {
		t.Errorf("the relay has %v, the journal %v", live, said)
	}
}

func TestListen(t *testing.T) {
	for address, fine := range map[string]bool{
		"127.0.0.1:0": true, "localhost:0": true, "[::1]:0": true,
		"0.0.0.0:0": false, ":0": false, "[::]:0": false, "192.0.2.1:0": false, "example.com:0": false, "127.0.0.1": false, "": false, "127.0.0.1:http:": false,
	} {
		l, err := toxiproxy.Listen(address)
		if (err == nil) != fine && address != "[::1]:0" { // which not every machine has
			t.Errorf("%q: %v", address, err)
		}
		if err == nil {
			l.Close()
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: not one line: %v", address, err)
		}
	}
}

// What any body does to a proxy, to a toxic and to the whole is an answer: never
// a mistake of ours, never something the relay refuses, never more than was
// asked for.
func FuzzBodies(f *testing.F) {
	w := start(f)
	for _, body := range []string{
		`{"type":"latency","stream":"upstream","toxicity":0.5,"attributes":{"latency":100,"jitter":600000},"ttl":5,"seed":7}`,
		`{"type":"bandwidth","attributes":{"rate":0}}`, `{"type":"bandwidth","attributes":{"rate":1000000000}}`,
		`{"type":"slow_close","attributes":{"delay":1}}`, `{"type":"timeout","toxicity":0.001}`, `{"type":"reset_peer","attributes":{"timeout":600000}}`,
		`{"type":"slicer","attributes":{"average_size":65535,"size_variation":65534,"delay":600000000}}`,
		`{"type":"limit_data","attributes":{"bytes":9223372036854775807}}`, `{"type":"noop","attributes":null}`,
		`{"enabled":false}`, `{"listen":"","upstream":"localhost:1"}`, `[{"name":"x","upstream":"127.0.0.1:1","enabled":null}]`, `null`, `{"Type":"TIMEOUT"}`, ``,
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, at := range []string{"POST /proxies/" + link + "/toxics", "PATCH /proxies/" + link, "POST /populate", "POST /proxies"} {
			method, path, _ := strings.Cut(at, " ")
			status, answer := w.send(t, method, path, body, nil)
			if status >= 500 || strings.Contains(answer, "refused by the relay") || !json.Valid([]byte(answer)) {
				t.Errorf("%s %q: %d %s", at, body, status, answer)
			}
		}
		if live := w.rules(t); len(live) > 2 { // the toxic, and the proxy that is disabled
			t.Errorf("%q: the relay has %v", body, live)
		}
		if status, answer := w.send(t, "POST", "/reset", "", nil); status != http.StatusNoContent {
			t.Errorf("%q: reset: %d %s", body, status, answer)
		}
	})
}
