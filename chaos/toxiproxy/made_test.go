package toxiproxy_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	client "github.com/Shopify/toxiproxy/v2/client"
)

func dialOnce(address string) (net.Conn, error) { return net.DialTimeout("tcp", address, patience) }

// status is that of an error of the client's.
func status(err error) int {
	if e := (*client.ApiError)(nil); errors.As(err, &e) {
		return e.Status
	}
	return 0
}

// A proxy of one's own stands before an instance of the run, takes toxics,
// moves and goes.
func TestAProxyOfOnesOwn(t *testing.T) {
	w := start(t)
	p, err := w.CreateProxy("mine", "", w.own["back-1"])
	if err != nil || !strings.HasPrefix(p.Listen, "127.0.0.1:") || p.Upstream != w.own["back-1"] || !p.Enabled {
		t.Fatalf("%+v, %v", p, err)
	}
	first := p.Listen
	took(t, first)
	if _, err := p.AddToxic("slow", "latency", "", 1, client.Attributes{"latency": 40}); err != nil {
		t.Fatal(err)
	}
	if d := took(t, first); d < 40*time.Millisecond {
		t.Errorf("with a latency of 40ms it took %s", d)
	}
	// Other callers do not notice: it is another link.
	if live := w.rules(t); len(live) > 0 {
		t.Errorf("the run's relay has %v", live)
	}
	if err := p.Disable(); err != nil {
		t.Fatal(err)
	}
	if _, err := dialOnce(first); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("disabled: %v", err)
	}
	p.Listen, p.Upstream, p.Enabled = "127.0.0.1:0", w.own["front-1"], true
	if err := p.Save(); err != nil || p.Listen == first || p.Upstream != w.own["front-1"] || len(p.ActiveToxics) != 1 {
		t.Fatalf("moved: %+v, %v", p, err)
	}
	if _, err := dialOnce(first); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("where it was: %v", err)
	}
	if d := took(t, p.Listen); d < 40*time.Millisecond {
		t.Errorf("moved, with a latency of 40ms it took %s", d)
	}
	if err := p.Delete(); err != nil {
		t.Fatal(err)
	}
	if _, err := dialOnce(p.Listen); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("deleted: %v", err)
	}
	if _, err := w.Proxy("mine"); status(err) != http.StatusNotFound {
		t.Errorf("deleted: %v", err)
	}
}

// A proxy that cannot have its new place keeps the old one, with its toxics.
func TestAMoveThatFails(t *testing.T) {
	w := start(t)
	p, err := w.CreateProxy("mine", "127.0.0.1:0", w.own["back-1"])
	if err != nil {
		t.Fatal(err)
	}
	was := p.Listen
	if _, err := p.AddToxic("slow", "latency", "", 1, client.Attributes{"latency": 40}); err != nil {
		t.Fatal(err)
	}
	p.Listen = w.own["back-1"] // where somebody listens
	if err := p.Save(); status(err) != http.StatusInternalServerError || !strings.Contains(err.Error(), "in use") {
		t.Errorf("moved to a port that is taken: %v", err)
	}
	if p := w.proxy(t, "mine"); p.Listen != was || len(p.ActiveToxics) != 1 {
		t.Errorf("it is %+v", p)
	}
	if d := took(t, was); d < 40*time.Millisecond {
		t.Errorf("with a latency of 40ms it took %s", d)
	}
}

// Nothing but an instance of the run can be an upstream, nothing but loopback a
// place to listen, and the run's links stay where they are.
func TestBounds(t *testing.T) {
	w := start(t)
	back := w.own["back-1"]
	stranger := echo(t)
	for _, test := range []struct {
		why, listen, upstream string
		status                int
	}{
		{"a stranger on this machine", "127.0.0.1:0", stranger, http.StatusForbidden},
		{"a stranger elsewhere", "127.0.0.1:0", "192.0.2.1:80", http.StatusForbidden},
		{"a name", "127.0.0.1:0", "example.com:80", http.StatusForbidden},
		{"a link's listener", "127.0.0.1:0", w.proxy(t, link).Listen, http.StatusForbidden},
		{"the API itself", "127.0.0.1:0", w.server.Listener.Addr().String(), http.StatusForbidden},
		{"the relay's control port", "127.0.0.1:0", w.Control, http.StatusForbidden},
		{"no port", "127.0.0.1:0", "127.0.0.1", http.StatusBadRequest},
		{"no upstream", "127.0.0.1:0", "", http.StatusBadRequest},
		{"all addresses", "0.0.0.0:0", back, http.StatusForbidden},
		{"all addresses of IPv6", "[::]:0", back, http.StatusForbidden},
		{"another machine's address", "192.0.2.1:0", back, http.StatusForbidden},
		{"a name to listen on", "example.com:0", back, http.StatusForbidden},
		{"no port to listen on", "127.0.0.1", back, http.StatusBadRequest},
		{"a taken port", back, back, http.StatusInternalServerError},
	} {
		t.Run(test.why, func(t *testing.T) {
			if _, err := w.CreateProxy("mine", test.listen, test.upstream); status(err) != test.status || strings.Contains(err.Error(), "\n") {
				t.Errorf("created: %v, want %d in one line", err, test.status)
			}
			if made, err := w.Populate([]client.Proxy{{Name: "mine", Listen: test.listen, Upstream: test.upstream, Enabled: true}}); status(err) != test.status {
				t.Errorf("populated: %v, %v, want %d", made, err, test.status)
			}
		})
	}
	p := w.proxy(t, link)
	for why, change := range map[string]func(*client.Proxy){
		"upstream": func(p *client.Proxy) { p.Upstream = w.own["back-2"] },
		"listener": func(p *client.Proxy) { p.Listen = "127.0.0.1:0" },
	} {
		moved := *p
		change(&moved)
		if err := moved.Save(); status(err) != http.StatusForbidden {
			t.Errorf("a link's %s: %v", why, err)
		}
		if _, err := w.Populate([]client.Proxy{moved}); status(err) != http.StatusForbidden {
			t.Errorf("a link's %s, populated: %v", why, err)
		}
	}
	if err := p.Delete(); status(err) != http.StatusForbidden {
		t.Errorf("deleting a link: %v", err)
	}
	if _, err := w.CreateProxy(link, "127.0.0.1:0", back); status(err) != http.StatusConflict {
		t.Errorf("creating a link: %v", err)
	}
	if all, err := w.Proxies(); err != nil || len(all) != 3 {
		t.Errorf("%d proxies, %v", len(all), err)
	}
	took(t, p.Listen)
}

// Populate leaves what is as it should be, replaces what is not, and says what
// it has done before something went wrong.
func TestPopulate(t *testing.T) {
	w := start(t)
	w.add(t, "latency", "", client.Attributes{"latency": 1})
	var all []client.Proxy
	now, err := w.Proxies()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range now {
		all = append(all, *p)
	}
	if same, err := w.Populate(all); err != nil || len(same) != 3 {
		t.Errorf("what is there already: %v, %v", same, err)
	}
	if p := w.proxy(t, link); len(p.ActiveToxics) != 1 {
		t.Error("a toxic is gone")
	}
	made, err := w.Populate([]client.Proxy{{Name: "one", Upstream: w.own["back-1"], Enabled: true}, {Name: "two", Upstream: w.own["back-2"]}})
	if err != nil || len(made) != 2 || !made[0].Enabled || made[1].Enabled {
		t.Fatalf("%+v, %v", made, err)
	}
	took(t, made[0].Listen)
	again, err := w.Populate([]client.Proxy{{Name: "one", Listen: made[0].Listen, Upstream: w.own["back-1"]}, {Name: "two", Upstream: w.own["front-1"], Enabled: true}})
	if err != nil || len(again) != 2 || again[0].Listen != made[0].Listen || !again[0].Enabled || again[1].Listen == made[1].Listen || !again[1].Enabled {
		t.Errorf("again: %+v, %v", again, err)
	}
	if none, err := w.Populate([]client.Proxy{{Name: "three", Upstream: w.own["back-1"]}, {Upstream: w.own["back-1"]}}); status(err) != http.StatusBadRequest {
		t.Errorf("without a name: %v, %v", none, err)
	}
	if _, err := w.Proxy("three"); status(err) != http.StatusNotFound {
		t.Errorf("one of two that were refused is there: %v", err)
	}
}

// There are only so many proxies, and so many toxics on one.
func TestNumbers(t *testing.T) {
	w := start(t)
	var err error
	made := 0
	for ; err == nil && made < 1000; made++ {
		_, err = w.CreateProxy(fmt.Sprintf("p%d", made), "", w.own["back-1"])
	}
	if status(err) != http.StatusForbidden || made != 101 {
		t.Errorf("after %d proxies: %v", made-1, err)
	}
	added := 0
	for err = nil; err == nil && added < 1000; added++ {
		_, err = w.proxy(t, link).AddToxic(fmt.Sprintf("t%d", added), "noop", "", 1, nil)
	}
	if status(err) != http.StatusForbidden || added != 51 {
		t.Errorf("after %d toxics: %v", added-1, err)
	}
}
