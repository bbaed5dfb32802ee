package loadgen_test

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bedlamlab/bedlam/loadgen"
	"github.com/bedlamlab/bedlam/observability/collector"
)

// bubble runs f in fake time.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// When nothing is wrong, every request is sent when it is due and answered
// truly, and the open loop asks for exactly what the seed says.
func TestCalm(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g, l := start(t, newShop(), loadgen.Config{Seed: 1, Rate: 40})
		rows := drained(t, g, l, 30*time.Second)
		classes := map[string]int{}
		for _, r := range rows {
			classes[r.Class]++
			if r.Outcome != loadgen.OK || r.Lag() != 0 || r.Latency() != 0 {
				t.Fatalf("%+v", r)
			}
			if r.Done < r.Sent || r.Sent < r.Due || r.Status/100 != 2 && r.Reason != "declined" {
				t.Fatalf("%+v", r)
			}
		}
		for _, c := range []string{loadgen.ClassHome, loadgen.ClassProduct, loadgen.ClassCartAdd, loadgen.ClassCartRead, loadgen.ClassCheckout, loadgen.ClassOrder} {
			if classes[c] == 0 {
				t.Errorf("no request of class %s among %d", c, len(rows))
			}
		}
		// Each journey's first request is due when the arrivals say.
		due := arrivals(t, loadgen.Poisson, 1, 40, int(rows[len(rows)-1].Journey)+1)
		for _, r := range rows {
			if r.Step == 0 && r.Due != due[r.Journey] {
				t.Fatalf("journey %d began at %v, its arrival is %v", r.Journey, r.Due, due[r.Journey])
			}
		}
		total := g.Live().Total
		if total.Due != len(rows) || total.Good != len(rows) {
			t.Errorf("live counts %+v, recorded were %d", total, len(rows))
		}
	})
}

// A shop that answers nothing for one second: the open loop goes on asking,
// and each request's latency is what its customer waited. In fake time this is
// exact, to the nanosecond, for every request: what was due in the stall waits
// until its end, all others wait for nothing.
func TestStall(t *testing.T) {
	const from, to = 5*time.Second + 500*time.Microsecond, 6*time.Second + 500*time.Microsecond
	bubble(t, func(t *testing.T) {
		zero := time.Now()
		s := newShop()
		s.before = func(http.ResponseWriter, *http.Request) bool {
			if at := time.Since(zero); at >= from && at < to {
				time.Sleep(to - at) // of the bubble's clock
			}
			return false
		}
		g, l := start(t, s, loadgen.Config{Seed: 1, Rate: 200, Arrivals: loadgen.Constant, Start: zero})
		rows := drained(t, g, l, 10*time.Second)
		stalled := 0
		var waits []time.Duration
		for _, r := range rows {
			want := time.Duration(0)
			if r.Due >= from && r.Due < to {
				want = to - r.Due
				stalled++
			}
			if r.Latency() != want || r.Lag() != 0 {
				t.Fatalf("due at %v: latency %v, want %v; lag %v, want none", r.Due, r.Latency(), want, r.Lag())
			}
			if r.Step == 0 {
				waits = append(waits, r.Latency())
			}
		}
		if stalled < 200 { // the journeys that arrive in that second alone
			t.Errorf("%d requests were due in the stall, want at least 200", stalled)
		}
		// loadgen.md's figures for a closed form: of the arrivals, a tenth waits
		// evenly between 0 and 1 s, so p99 is 900 ms.
		slices.Sort(waits)
		if p99 := waits[len(waits)*99/100]; p99 < 890*time.Millisecond || p99 > 910*time.Millisecond {
			t.Errorf("p99 of %d arrivals is %v, want 900ms ± 1 %%", len(waits), p99)
		}
	})
}

// While the shop stalls, Live shows it: in time as pending, then as overdue.
func TestLiveShowsAStallAtOnce(t *testing.T) {
	const at = 10 * time.Second
	bubble(t, func(t *testing.T) {
		zero := time.Now()
		s := newShop()
		s.before = func(_ http.ResponseWriter, r *http.Request) bool {
			if time.Since(zero) >= at {
				return hang(r)
			}
			return false
		}
		g, _ := start(t, s, loadgen.Config{Seed: 1, Rate: 100, Arrivals: loadgen.Constant, Start: zero})
		time.Sleep(at + 2*time.Second + 500*time.Microsecond) // of the bubble's clock
		l := g.Live()
		if share, n := l.Last(2 * time.Second).Goodput(); share != 0 || n < 100 {
			t.Errorf("goodput is %v of %d, one second after requests became too late", share, n)
		}
		seconds := map[time.Duration]loadgen.Second{}
		for _, s := range l.Seconds {
			seconds[s.From] = s
			if sum := s.Good + s.Slow + s.Failed + s.Unknown + s.Overdue + s.Pending; sum != s.Due {
				t.Errorf("second %v: %+v does not add up", s.From, s.Counts)
			}
		}
		if s := seconds[at-time.Second]; s.Good != s.Due || s.Due < 100 {
			t.Errorf("the second before the stall: %+v", s.Counts)
		}
		// Due between 10 and 11 s, and it is 12 s: but for checkouts, whose limit
		// is 2.5 s, all are too late, and none has an answer.
		if s := seconds[at]; s.Overdue < 100 || s.Good != 0 {
			t.Errorf("the first stalled second: %+v", s.Counts)
		}
		if s := seconds[at+time.Second]; s.Pending < 90 || s.Good != 0 {
			t.Errorf("the second stalled second: %+v", s.Counts)
		}
		if l.Outstanding < 200 || l.Journeys < l.Outstanding || l.Lag != 0 {
			t.Errorf("%d requests and %d journeys under way, lag %v", l.Outstanding, l.Journeys, l.Lag)
		}
		time.Sleep(4 * time.Second) // of the bubble's clock: the first have given up after 3 s
		if c := g.Live().Last(8 * time.Second); c.Failed == 0 || c.Unknown == 0 {
			t.Errorf("after the timeouts: %+v; reads fail, writes are unknown", c)
		}
	})
}

// What one journey does never depends on how others fare: with one gateway
// gone and a shop that fails at times, every journey asks for the same until
// its own writes fail.
func TestJourneysAreTheirOwn(t *testing.T) {
	stream := func(t *testing.T, h http.Handler) (asks map[uint64][]string) {
		bubble(t, func(t *testing.T) {
			g, l := start(t, h, loadgen.Config{Seed: 9, Rate: 50})
			asks = map[uint64][]string{}
			for _, r := range drained(t, g, l, 10*time.Second) {
				if r.Key != "" && !strings.HasPrefix(r.Key, loadgen.Keys("test")) {
					t.Errorf("key %s is not said to be the run's", r.Key)
				}
				if r.Class != loadgen.ClassOrder { // whose id the shop gives
					asks[r.Journey] = append(asks[r.Journey], strings.Join([]string{r.Class, r.SKU, r.Key, r.Cart}, " "))
				}
			}
		})
		return asks
	}
	calm := stream(t, newShop())
	bad := newShop()
	n := 0
	bad.before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != "GET" || r.URL.Path == "/api/products" {
			return false
		}
		bad.mu.Lock()
		n++
		fails, wait := n%3 == 0, time.Duration(n%7)*50*time.Millisecond
		bad.mu.Unlock()
		time.Sleep(wait) // of the bubble's clock
		if fails {
			w.WriteHeader(500)
		}
		return fails
	}
	rough := stream(t, bad)
	if len(calm) < 400 {
		t.Fatalf("only %d journeys", len(calm))
	}
	for j, want := range calm {
		if got := rough[j]; !slices.Equal(got, want) {
			t.Fatalf("journey %d in a rough shop: %q, in a calm one %q", j, got, want)
		}
	}
}

// Stopping lets journeys end; a context that is done ends them after the
// request that is out.
func TestStopAndDrain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g, l := start(t, newShop(), loadgen.Config{Seed: 1, Rate: 100})
		time.Sleep(5 * time.Second) // of the bubble's clock
		g.StopArrivals()
		arrived := g.Live().Arrived
		rows := drained(t, g, l, time.Second)
		if g.Live().Arrived != arrived || g.Live().Journeys != 0 || g.Live().Outstanding != 0 {
			t.Errorf("after the drain: %+v", g.Live())
		}
		// Every journey came to the end of its script.
		p := planner(t, 1, 50)
		var s loadgen.Script
		for j, i := uint64(0), 0; j < uint64(arrived); j++ {
			p.Script(j, &s)
			n := 0
			for ; i < len(rows) && rows[i].Journey == j; i++ {
				n++
			}
			if n != len(s.Steps) && rows[i-1].Reason != "declined" {
				t.Fatalf("journey %d made %d of %d requests", j, n, len(s.Steps))
			}
		}
	})
	bubble(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		p, l := newPipe(), &ledger{}
		defer p.close()
		p.serve("a:1", newShop())
		g, err := loadgen.Start(ctx, loadgen.Config{Run: "r", Rate: 100, Gateways: []loadgen.Gateway{{Instance: "a", Address: "a:1"}}, Dial: p.dial, Recorder: l})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second) // of the bubble's clock
		cancel()
		synctest.Wait()
		if live := g.Live(); live.Journeys != 0 {
			t.Errorf("%d journeys go on after the context is done", live.Journeys)
		}
		if err := g.Drain(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

func TestDrainGivesUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newShop()
		s.before = func(_ http.ResponseWriter, r *http.Request) bool {
			return hang(r)
		}
		g, _ := start(t, s, loadgen.Config{Rate: 100, Products: skus(10)})
		time.Sleep(time.Second) // of the bubble's clock
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := g.Drain(ctx); err == nil || !strings.Contains(err.Error(), "still under way") {
			t.Errorf("got %v", err)
		}
	})
}

// A request that finds no room waits for it, and the wait is the generator's
// own lag, not the shop's.
func TestNoRoomIsLag(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newShop()
		s.before = func(_ http.ResponseWriter, r *http.Request) bool {
			time.Sleep(100 * time.Millisecond) // of the bubble's clock
			return false
		}
		g, l := start(t, s, loadgen.Config{Rate: 100, Arrivals: loadgen.Constant, InFlight: 1})
		rows := drained(t, g, l, 2*time.Second)
		late, without := 0, 0
		for _, r := range rows {
			if r.Reason == "no_slot" {
				without++
				if r.Outcome != loadgen.Failed || r.Lag() < 3*time.Second {
					t.Fatalf("%+v", r)
				}
				continue
			}
			if r.Done-r.Sent != 100*time.Millisecond {
				t.Fatalf("served in %v", r.Done-r.Sent)
			}
			if r.Lag() > 0 {
				late++
			}
		}
		if late == 0 || without == 0 {
			t.Errorf("%d late, %d without a slot among %d", late, without, len(rows))
		}
	})
}

func TestStartRefuses(t *testing.T) {
	good := func() loadgen.Config {
		return loadgen.Config{Run: "r", Rate: 1, Products: skus(1), Gateways: []loadgen.Gateway{{Instance: "g", Address: "127.0.0.1:1"}}}
	}
	for what, change := range map[string]func(*loadgen.Config){
		"rate":       func(c *loadgen.Config) { c.Rate = 0 },
		"arrivals":   func(c *loadgen.Config) { c.Arrivals = "uniform" },
		"run":        func(c *loadgen.Config) { c.Run = "a b" },
		"gateways":   func(c *loadgen.Config) { c.Gateways = nil },
		"gateway g":  func(c *loadgen.Config) { c.Gateways[0].Address = "nowhere" },
		"timeout":    func(c *loadgen.Config) { c.Timeout = -1 },
		"in flight":  func(c *loadgen.Config) { c.InFlight = -1 },
		"product":    func(c *loadgen.Config) { c.Products = []string{"a/b"} },
		"catalogue":  func(c *loadgen.Config) { c.Products = nil }, // and nobody to ask
		"start load": func(c *loadgen.Config) { c.Run = "" },
	} {
		c := good()
		change(&c)
		if _, err := loadgen.Start(t.Context(), c); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: got %v", what, err)
		}
	}
}

// The catalogue comes in pages, and a shop that does not keep to its own
// count is found out.
func TestCatalogue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newShop()
		s.products = 250
		g, l := start(t, s, loadgen.Config{Seed: 1, Rate: 100})
		seen := ""
		for _, r := range drained(t, g, l, 20*time.Second) {
			seen = max(seen, r.SKU)
		}
		if seen <= "P00200" {
			t.Errorf("nothing beyond %s is asked for", seen)
		}
	})
	for what, body := range map[string]string{
		"ends after": `{"products":[],"total":3}`,
		"no product": `{"products":[],"total":0}`,
		"product":    `{"products":[{"sku":"a\nb"}],"total":1}`,
		"invalid":    `not JSON`,
	} {
		bubble(t, func(t *testing.T) {
			p := newPipe()
			defer p.close()
			p.serve("a:1", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) }))
			_, err := loadgen.Start(t.Context(), loadgen.Config{Run: "r", Rate: 1, Dial: p.dial, Gateways: []loadgen.Gateway{{Instance: "a", Address: "a:1"}}})
			if err == nil || !strings.Contains(err.Error(), what) {
				t.Errorf("%s: got %v", body, err)
			}
		})
	}
}

// Each request has a trace of its own whose client span says what became of it.
func TestSpans(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newShop()
		seen := map[string]int{}
		s.before = func(w http.ResponseWriter, r *http.Request) bool {
			s.mu.Lock()
			seen[r.Header.Get("traceparent")]++
			s.mu.Unlock()
			if r.URL.Path == "/api/home" {
				w.WriteHeader(500)
				return true
			}
			return false
		}
		spans := make(chan collector.Span, 10_000)
		g, l := start(t, s, loadgen.Config{Rate: 50, Products: skus(50), Span: func(s collector.Span) { spans <- s }})
		rows := drained(t, g, l, 5*time.Second)
		close(spans)
		byTrace := map[collector.TraceID]collector.Span{}
		for s := range spans {
			byTrace[s.Trace] = s
		}
		if len(byTrace) != len(rows) || len(seen) != len(rows) {
			t.Fatalf("%d requests, %d traces, %d traceparents", len(rows), len(byTrace), len(seen))
		}
		for _, r := range rows {
			s := byTrace[r.TraceID]
			if s.Name != r.Class || s.Kind != collector.Client || s.Service != "loader" || s.Instance != "loader-1" ||
				s.Peer != "gateway" || s.PeerInstance != r.Gateway || s.Error == r.Good() || s.Duration() != r.Done-r.Sent {
				t.Fatalf("span %+v of request %+v", s, r)
			}
			if id := "00-" + s.Trace.String() + "-"; seen[id+hexed(s.ID)+"-01"] != 1 {
				t.Fatalf("the shop did not see %s", id)
			}
			if r.Class == loadgen.ClassHome && (s.Code != "500" || s.Message != "http_500") {
				t.Fatalf("%+v", s)
			}
		}
	})
}
