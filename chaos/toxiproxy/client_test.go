package toxiproxy_test

import (
	"errors"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	client "github.com/Shopify/toxiproxy/v2/client"
)

// All of a run's links are proxies, at the addresses that the system says.
func TestLinksAreProxies(t *testing.T) {
	w := start(t)
	all, err := w.Proxies()
	if err != nil || len(all) != 3 {
		t.Fatalf("%d proxies, %v", len(all), err)
	}
	for l, at := range w.at {
		p := all[l.From+":"+l.To]
		if p == nil || p.Listen != at || p.Upstream != w.own[l.To] || !p.Enabled || p.Name != l.From+":"+l.To || len(p.ActiveToxics) > 0 {
			t.Errorf("%s: %+v", l, p)
		}
	}
	if v, err := w.Version(); err != nil || strings.TrimSpace(string(v)) != `{"version":"2.12.0"}` {
		t.Errorf("version %s, %v", v, err)
	}
}

// A latency slows its link by what it says, in its direction, and nothing else;
// removed it is gone. What a busy machine could break is asked until it is so.
func TestLatency(t *testing.T) {
	const delay = 60 * time.Millisecond
	for stream, direction := range map[string]string{"upstream": "to", "downstream": "from"} {
		t.Run(stream, func(t *testing.T) {
			w := start(t)
			p := w.proxy(t, link)
			control := w.proxy(t, "front-1:back-2").Listen
			quick(t, "the link", p.Listen, delay)
			toxic, err := p.AddToxic("slow", "latency", stream, 1, client.Attributes{"latency": 60})
			if err != nil || toxic.Name != "slow" || toxic.Type != "latency" || toxic.Stream != stream || toxic.Toxicity != 1 || toxic.Attributes["latency"] != 60.0 {
				t.Fatalf("%+v, %v", toxic, err)
			}
			live, err := w.Rules(t.Context())
			if err != nil || len(live) != 1 || string(live[0].Direction) != direction {
				t.Fatalf("the relay has %+v, %v", live, err)
			}
			if d := took(t, p.Listen); d < delay {
				t.Errorf("with a latency of %s it took %s", delay, d)
			}
			quick(t, "the other link", control, delay)
			quick(t, "the link's set-up, which is not to be slow,", p.Listen, delay*3/2)
			if err := p.RemoveToxic("slow"); err != nil {
				t.Fatal(err)
			}
			quick(t, "the link, afterwards,", p.Listen, delay)
		})
	}
}

// What connections see of the toxics that end them.
func TestEnds(t *testing.T) {
	for _, test := range []struct {
		kind, stream string
		attributes   client.Attributes
		ends         error
	}{
		{"timeout", "downstream", client.Attributes{"timeout": 20}, io.EOF},
		{"timeout", "upstream", client.Attributes{"timeout": 20}, io.EOF},
		{"reset_peer", "downstream", nil, syscall.ECONNRESET},
		{"reset_peer", "upstream", client.Attributes{"timeout": 20}, syscall.ECONNRESET},
		{"limit_data", "downstream", client.Attributes{"bytes": 0}, io.EOF},
	} {
		t.Run(test.kind+" "+test.stream, func(t *testing.T) {
			w := start(t)
			c := dial(t, w.proxy(t, link).Listen)
			if _, err := ask(c); err != nil {
				t.Fatal(err)
			}
			w.add(t, test.kind, test.stream, test.attributes)
			if _, err := ask(c); !errors.Is(err, test.ends) {
				t.Errorf("a live connection: %v, want %v", err, test.ends)
			}
			if _, err := ask(dial(t, w.proxy(t, link).Listen)); !errors.Is(err, test.ends) {
				t.Errorf("a new connection: %v, want %v", err, test.ends)
			}
			if err := w.ResetState(); err != nil {
				t.Fatal(err)
			}
			took(t, w.proxy(t, link).Listen)
		})
	}
}

// A toxic is changed in what is said of it and keeps the rest.
func TestUpdate(t *testing.T) {
	w := start(t)
	p := w.proxy(t, link)
	w.add(t, "latency", "upstream", client.Attributes{"latency": 1000, "jitter": 10})
	changed, err := p.UpdateToxic("latency_upstream", 0.5, client.Attributes{"jitter": 20})
	if err != nil || changed.Toxicity != 0.5 || changed.Stream != "upstream" || changed.Attributes["latency"] != 1000.0 || changed.Attributes["jitter"] != 20.0 {
		t.Errorf("%+v, %v", changed, err)
	}
	live, err := w.Rules(t.Context())
	if err != nil || len(live) != 1 || live[0].Toxicity != 0.5 || string(live[0].Args) != `{"jitter":"20ms","latency":"1s"}` {
		t.Errorf("the relay has %+v, %v", live, err)
	}
	// To nothing, and to something again.
	for _, test := range []struct {
		toxicity float32
		rules    int
	}{{0, 0}, {1, 1}} {
		if _, err := p.UpdateToxic("latency_upstream", test.toxicity, nil); err != nil {
			t.Error(err)
		}
		if live := w.rules(t); len(live) != test.rules {
			t.Errorf("with toxicity %v the relay has %v", test.toxicity, live)
		}
	}
	if all, err := p.Toxics(); err != nil || len(all) != 1 {
		t.Errorf("%v, %v", all, err)
	}
}

// Toxics are listed upstream first, and in the order in which they came.
func TestOrder(t *testing.T) {
	w := start(t)
	for i, stream := range []string{"downstream", "upstream", "downstream", "upstream"} {
		if _, err := w.proxy(t, link).AddToxic(string(rune('a'+i)), "noop", stream, 1, nil); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	for _, toxic := range w.proxy(t, link).ActiveToxics {
		names = append(names, toxic.Name)
	}
	if !slices.Equal(names, []string{"b", "d", "a", "c"}) {
		t.Errorf("the order is %v", names)
	}
	if live := w.rules(t); len(live) > 0 {
		t.Errorf("of nothing but noop the relay has %v", live)
	}
}

// A proxy that is disabled refuses; enabled it is as before, its toxics too.
func TestDisable(t *testing.T) {
	w := start(t)
	p := w.proxy(t, link)
	w.add(t, "latency", "upstream", client.Attributes{"latency": 1})
	live := dial(t, p.Listen)
	for range 2 { // once more changes nothing
		if err := p.Disable(); err != nil || p.Enabled {
			t.Fatalf("enabled (%t), %v", p.Enabled, err)
		}
	}
	if _, err := live.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a live connection: %v", err)
	}
	if c, err := dialOnce(p.Listen); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a new connection: %v, %v", c, err)
	}
	took(t, w.proxy(t, "front-1:back-2").Listen)
	if kinds := w.rules(t); !slices.Equal(kinds, []string{"latency", "refuse"}) {
		t.Errorf("the relay has %v", kinds)
	}
	if err := p.Enable(); err != nil || !w.proxy(t, link).Enabled || len(p.ActiveToxics) != 1 {
		t.Errorf("enabled again: %+v, %v", p, err)
	}
	took(t, p.Listen)
}

// Reset takes everything away, on every proxy.
func TestReset(t *testing.T) {
	w := start(t)
	mine, err := w.CreateProxy("mine", "localhost:0", w.own["back-1"])
	if err != nil {
		t.Fatal(err)
	}
	w.add(t, "bandwidth", "downstream", client.Attributes{"rate": 1})
	w.add(t, "slicer", "downstream", client.Attributes{"average_size": 10, "size_variation": 5, "delay": 10})
	if _, err := mine.AddToxic("", "latency", "upstream", 1, client.Attributes{"latency": 5000}); err != nil {
		t.Fatal(err)
	}
	if err := w.proxy(t, "front-1:back-2").Disable(); err != nil {
		t.Fatal(err)
	}
	if err := w.ResetState(); err != nil {
		t.Fatal(err)
	}
	all, err := w.Proxies()
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range all {
		if !p.Enabled || len(p.ActiveToxics) > 0 {
			t.Errorf("%s: %+v", name, p)
		}
		took(t, p.Listen)
	}
	if live := w.rules(t); len(live) > 0 {
		t.Errorf("the relay has %v", live)
	}
}
