package toxiproxy_test

import (
	"errors"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	client "github.com/Shopify/toxiproxy/v2/client"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/runner"
	"github.com/bedlamlab/bedlam/chaos/toxiproxy"
)

// A witnessed journal looks at the relay when it is told of something.
type witnessed struct {
	*world
	seen []string // "kind: what the relay has then"
	t    *testing.T
}

func (w *witnessed) Write(e chaos.Entry) error {
	w.seen = append(w.seen, string(e.Kind)+": "+strings.Join(w.rules(w.t), " "))
	return nil
}

// What is about to be done stands in the journal before it is done, and what is
// undone after it is.
func TestJournalFirst(t *testing.T) {
	w := start(t)
	j := &witnessed{world: w, t: t}
	a, err := toxiproxy.New(toxiproxy.Options{System: w, Journal: j})
	if err != nil {
		t.Fatal(err)
	}
	server := a.Server()
	l, err := toxiproxy.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(l)
	defer server.Close()
	p, err := client.NewClient(l.Addr().String()).Proxy(link)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.AddToxic("", "latency", "", 1, client.Attributes{"latency": 5}); err != nil {
		t.Error(err)
	}
	if _, err := p.UpdateToxic("latency_downstream", 1, client.Attributes{"latency": 6}); err != nil {
		t.Error(err)
	}
	if err := p.Disable(); err != nil {
		t.Error(err)
	}
	if err := a.Close(t.Context()); err != nil {
		t.Error(err)
	}
	want := []string{
		"injecting: ", "injected: latency", "injecting: latency", "injected: latency", "injecting: latency", "injected: latency refuse",
		"lifting: latency refuse", "lift-proven: refuse", "lifting: refuse", "lift-proven: ",
	}
	if !slices.Equal(j.seen, want) {
		t.Errorf("saw\n%q, want\n%q", j.seen, want)
	}
	if _, err := p.Toxics(); status(err) != http.StatusServiceUnavailable {
		t.Errorf("after the end: %v", err)
	}
}

// Another process lifts, from the journal alone, what this one has done.
func TestHeal(t *testing.T) {
	w := start(t)
	path := filepath.Join(t.TempDir(), "journal")
	j, err := runner.CreateJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	w.add(t, "latency", "", client.Attributes{"latency": 5})
	w.add(t, "timeout", "upstream", nil)
	if _, err := w.proxy(t, link).UpdateToxic("latency_downstream", 1, client.Attributes{"latency": 6}); err != nil {
		t.Fatal(err)
	}
	if err := w.proxy(t, "front-1:back-2").Disable(); err != nil {
		t.Fatal(err)
	}
	mine, err := w.CreateProxy("mine", "", w.own["back-1"])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mine.AddToxic("", "latency", "", 1, client.Attributes{"latency": 5}); err != nil {
		t.Fatal(err)
	}
	for _, e := range w.entries {
		if err := j.Write(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if live := w.rules(t); len(live) != 3 {
		t.Fatalf("the relay has %v", live)
	}
	for range 2 { // the second time there is nothing left
		if err := runner.Heal(t.Context(), path, w, toxiproxy.Build); err != nil {
			t.Fatal(err)
		}
		if live := w.rules(t); len(live) > 0 {
			t.Errorf("the relay still has %v", live)
		}
	}
	entries, _, err := runner.ReadJournal(path)
	if err != nil || len(runner.Live(entries)) > 0 {
		t.Errorf("live: %v, %v", runner.Live(entries), err)
	}
}

func TestBuildRefuses(t *testing.T) {
	for why, r := range map[string]chaos.Resolved{
		"another action": {ID: "a/1", Action: "latency"},
		"nothing":        {ID: "toxic/1", Action: toxiproxy.Action},
		"no rule":        {ID: "toxic/1", Action: toxiproxy.Action, Args: chaos.RawArgs(`{}`)},
		"no id":          {Action: toxiproxy.Action, Args: chaos.RawArgs(`{"kind":"latency"}`)},
	} {
		if _, err := toxiproxy.Build(r); err == nil {
			t.Errorf("%s: it is built", why)
		}
	}
}

// Without a journal nothing is done, and what was done can still be undone.
func TestAFullDisk(t *testing.T) {
	w := start(t)
	w.add(t, "latency", "", client.Attributes{"latency": 5})
	w.full = errors.New("no space left")
	p := w.proxy(t, link)
	if _, err := p.AddToxic("", "timeout", "", 1, nil); status(err) != http.StatusInternalServerError || !strings.Contains(err.Error(), "no space") {
		t.Errorf("added: %v", err)
	}
	if err := p.Disable(); status(err) != http.StatusInternalServerError {
		t.Errorf("disabled: %v", err)
	}
	if _, err := p.UpdateToxic("latency_downstream", 1, client.Attributes{"latency": 6}); status(err) != http.StatusInternalServerError {
		t.Errorf("updated: %v", err)
	}
	if live, err := w.Rules(t.Context()); err != nil || len(live) != 1 || !strings.Contains(string(live[0].Args), `"5ms"`) {
		t.Errorf("the relay has %+v, %v", live, err)
	}
	if p := w.proxy(t, link); len(p.ActiveToxics) != 1 || p.ActiveToxics[0].Attributes["latency"] != 5.0 || !p.Enabled {
		t.Errorf("the proxy is %+v", p)
	}
	p.RemoveToxic("latency_downstream") // which says that it could not be written down
	if live := w.rules(t); len(live) > 0 {
		t.Errorf("the relay still has %v", live)
	}
	if left := w.proxy(t, link).ActiveToxics; len(left) > 0 {
		t.Errorf("the proxy still has %v", left)
	}
}

// Once the lease is lost, and the guard has lifted all, nothing is shown that is
// not there and nothing can be done.
func TestALostLease(t *testing.T) {
	w := start(t)
	w.add(t, "latency", "", client.Attributes{"latency": 5})
	w.lost = errors.New("the lease was lost")
	if p := w.proxy(t, link); len(p.ActiveToxics) > 0 {
		t.Errorf("it shows %v", p.ActiveToxics)
	}
	if _, err := w.proxy(t, link).AddToxic("", "timeout", "", 1, nil); err == nil || !strings.Contains(err.Error(), "lease") {
		t.Errorf("added: %v", err)
	}
	if live := w.rules(t); len(live) > 0 {
		t.Errorf("the relay has %v", live)
	}
}

// A relay that is gone is said, and nothing is left that was not there.
func TestNoRelay(t *testing.T) {
	w := start(t)
	w.Stop()
	w.gone = true
	if _, err := w.proxy(t, link).AddToxic("", "timeout", "", 1, nil); status(err) != http.StatusInternalServerError || strings.Contains(err.Error(), "\n") {
		t.Errorf("added: %v", err)
	}
	// It may be there, as far as anybody can tell: it stays in sight.
	if left := w.proxy(t, link).ActiveToxics; len(left) != 1 {
		t.Errorf("the proxy has %v", left)
	}
}

// A ttl ends a toxic by itself, by way of the journal, wherever it was said; a
// later one counts anew, and 0 takes it back.
func TestTTL(t *testing.T) {
	w := start(t)
	const toxics = "/proxies/" + link + "/toxics"
	for _, body := range []string{
		`{"name":"top","type":"latency","attributes":{"latency":5},"ttl":20}`,
		`{"name":"among","type":"latency","attributes":{"latency":5,"ttl":20}}`,
		`{"name":"later","type":"latency","attributes":{"latency":5}}`,
		`{"name":"longer","type":"latency","attributes":{"latency":5},"ttl":86400000}`,
		`{"name":"never","type":"latency","attributes":{"latency":5},"ttl":86400000}`,
	} {
		if status, answer := w.send(t, "POST", toxics, body, nil); status != http.StatusOK {
			t.Fatalf("%d %s", status, answer)
		}
	}
	for name, body := range map[string]string{"later": `{"ttl":20}`, "longer": `{"attributes":{"ttl":20}}`, "never": `{"ttl":0}`} {
		if status, answer := w.send(t, "PATCH", toxics+"/"+name, body, nil); status != http.StatusOK {
			t.Fatalf("%d %s", status, answer)
		}
	}
	for end := time.Now().Add(patience); len(w.rules(t)) != 1; time.Sleep(time.Millisecond) { // nobody is told
		if time.Now().After(end) {
			t.Fatalf("the relay still has %v", w.rules(t))
		}
	}
	if left := w.proxy(t, link).ActiveToxics; len(left) != 1 || left[0].Name != "never" {
		t.Errorf("left are %v", left)
	}
	lifted := 0
	for _, kind := range w.kinds() {
		if kind == chaos.LiftProven {
			lifted++
		}
	}
	if lifted != 4 {
		t.Errorf("the journal has %d lifted, want 4", lifted)
	}
}

// The seed that is said is the rule's; without one it follows from the run's and
// from the names, so that two toxics choose different connections.
func TestSeed(t *testing.T) {
	seeds := func(w *world) map[uint64]bool {
		for _, name := range []string{"a", "b"} {
			if _, err := w.proxy(t, link).AddToxic(name, "timeout", "", 0.5, nil); err != nil {
				t.Fatal(err)
			}
		}
		if status, answer := w.send(t, "POST", "/proxies/"+link+"/toxics", `{"type":"timeout","seed":7}`, nil); status != http.StatusOK {
			t.Fatalf("%d %s", status, answer)
		}
		live, err := w.Rules(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		all := map[uint64]bool{}
		for _, r := range live {
			all[r.Seed] = true
		}
		return all
	}
	one, two := seeds(start(t)), seeds(start(t))
	if len(one) != 3 || !one[7] {
		t.Errorf("the seeds are %v", one)
	}
	for seed := range one {
		if !two[seed] || seed >= 1<<53 {
			t.Errorf("seed %d: another run has %v", seed, two)
		}
	}
}
