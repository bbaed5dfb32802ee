package loadgen_test

import (
	"bytes"
	"math"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/loadgen"
)

// split parts what was recorded into customers' requests and those of a surge.
func split(rows []loadgen.Request, surge string) (customers, others []loadgen.Request) {
	for _, r := range rows {
		if r.Surge == surge && surge != "" {
			others = append(others, r)
		} else {
			customers = append(customers, r)
		}
	}
	return customers, others
}

// journeys counts the journeys of some requests.
func journeys(rows []loadgen.Request) int {
	all := map[uint64]bool{}
	for _, r := range rows {
		all[r.Journey] = true
	}
	return len(all)
}

func surge(t *testing.T, g *loadgen.Generator, s loadgen.Surge) {
	t.Helper()
	if err := g.Surge(s); err != nil {
		t.Fatal(err)
	}
}

// A surge comes beside the customers, who ask for exactly what they would have
// asked for without it; it stands apart in the record and in no live figure.
func TestASurgeComesBesideTheCustomers(t *testing.T) {
	var alone, beside, surging []loadgen.Request
	var live loadgen.Counts
	run := func(t *testing.T, with bool) (customers, others []loadgen.Request) {
		g, l := start(t, newShop(), loadgen.Config{Seed: 1, Rate: 40})
		time.Sleep(2 * time.Second)
		if with {
			surge(t, g, loadgen.Surge{Name: "x/1", Seed: 9, Factor: 3, Kind: loadgen.Mixed})
		}
		time.Sleep(3 * time.Second)
		g.Ebb("x/1")
		d, was := g.Surged("x/1")
		if was != with || d.On || with && (d.For != 3*time.Second || math.Abs(d.Asked-240) > 1e-6 || d.Answered != d.Sent || d.Beside == 0) {
			t.Errorf("%+v, %t", d, was)
		}
		rows := drained(t, g, l, 2*time.Second)
		live = g.Live().Total
		if customers, others = split(rows, "x/1"); with && journeys(others) != d.Arrived {
			t.Errorf("%d journeys of the surge are recorded, it counted %d", journeys(others), d.Arrived)
		}
		return customers, others
	}
	bubble(t, func(t *testing.T) { alone, _ = run(t, false) })
	bubble(t, func(t *testing.T) { beside, surging = run(t, true) })
	if !reflect.DeepEqual(alone, beside) {
		t.Errorf("with a surge customers asked for something else: %d requests, %d without it", len(beside), len(alone))
	}
	if live.Due != len(beside) {
		t.Errorf("%d requests are counted live, customers had %d", live.Due, len(beside))
	}
	// Twice the customers' rate for three seconds, within four deviations.
	if n := journeys(surging); math.Abs(float64(n)-240) > 62 {
		t.Errorf("%d journeys came beside, want about 240", n)
	}
	mark := loadgen.Mark("x/1")
	keys, traces := map[string]bool{}, map[[16]byte]bool{}
	for _, r := range append(slices.Clone(surging), beside...) {
		if bytes.HasPrefix(r.TraceID[:], mark[:]) != (r.Surge != "") || traces[r.TraceID] {
			t.Fatalf("the trace of %+v", r)
		}
		traces[r.TraceID] = true
		if r.Key == "" {
			continue
		}
		if !strings.HasPrefix(r.Key, loadgen.Keys("test")) || keys[r.Key] {
			t.Fatalf("the key %s stands twice, or is not of the run", r.Key)
		}
		keys[r.Key] = true
	}
	for _, r := range surging {
		if r.Due < 2*time.Second || r.Step == 0 && r.Due > 5*time.Second || r.Journey < 1<<32 || r.Outcome != loadgen.OK {
			t.Fatalf("%+v", r)
		}
	}
	if again := func() (s []loadgen.Request) {
		bubble(t, func(t *testing.T) { _, s = run(t, true) })
		return s
	}(); !reflect.DeepEqual(surging, again) {
		t.Error("the same surge twice is not the same")
	}
}

// A surge is of one kind of journey; prefetches say that they are.
func TestTheKindsOfSurges(t *testing.T) {
	want := map[string][]string{
		loadgen.Browse:   {loadgen.ClassHome, loadgen.ClassProduct},
		loadgen.Fill:     {loadgen.ClassCartAdd, loadgen.ClassCartRead, loadgen.ClassProduct},
		loadgen.Buy:      {loadgen.ClassCartAdd, loadgen.ClassCheckout, loadgen.ClassOrder, loadgen.ClassProduct},
		loadgen.Prefetch: {loadgen.ClassProduct},
		loadgen.Poison:   {loadgen.ClassPoison},
		loadgen.Flash:    {loadgen.ClassCartAdd, loadgen.ClassCheckout, loadgen.ClassOrder, loadgen.ClassProduct},
	}
	for kind, classes := range want {
		t.Run(kind, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := newShop()
				s.scarce = []int{7, 5, 30}
				guesses := 0
				s.before = func(_ http.ResponseWriter, r *http.Request) bool {
					if r.Header.Get("Sec-Purpose") == "prefetch" {
						s.mu.Lock()
						guesses++
						s.mu.Unlock()
					}
					return false
				}
				g, l := start(t, s, loadgen.Config{Seed: 1, Rate: 10})
				surge(t, g, loadgen.Surge{Name: "x", Seed: 2, Rate: 40, Kind: kind, Gateways: []string{"gateway-2"}})
				time.Sleep(2 * time.Second)
				g.StopArrivals()
				_, others := split(drained(t, g, l, 0), "x")
				var got []string
				for _, r := range others {
					if !slices.Contains(got, r.Class) {
						got = append(got, r.Class)
					}
					if r.Gateway != "gateway-2" {
						t.Fatalf("%s was asked", r.Gateway)
					}
					if kind == loadgen.Flash && r.Class == loadgen.ClassCartAdd && (r.SKU != "P00005" || r.Qty != 1) {
						t.Fatalf("the sale is of P00005: %+v", r)
					}
				}
				if slices.Sort(got); !slices.Equal(got, classes) {
					t.Errorf("got %q, want %q", got, classes)
				}
				prefetched := 0
				if kind == loadgen.Prefetch {
					prefetched = len(others)
				}
				if s.mu.Lock(); guesses != prefetched {
					t.Errorf("%d of %d requests said that they were prefetches", guesses, len(others))
				}
				s.mu.Unlock()
			})
		})
	}
}

// Who has no patience hangs up, and what became of the order is not known.
func TestWhoHangsUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newShop()
		s.before = func(_ http.ResponseWriter, r *http.Request) bool { return r.URL.Path == "/api/checkout" && hang(r) }
		g, l := start(t, s, loadgen.Config{Seed: 1, Rate: 1})
		surge(t, g, loadgen.Surge{Name: "x", Seed: 2, Rate: 20, Most: 30, Kind: loadgen.Buy, Patience: 20 * time.Millisecond})
		_, others := split(drained(t, g, l, 10*time.Second), "x")
		left := 0
		for _, r := range others {
			switch {
			case r.Class == loadgen.ClassOrder:
				t.Fatalf("%+v: nobody knew of an order", r)
			case r.Class != loadgen.ClassCheckout && r.Outcome != loadgen.OK:
				t.Fatalf("%+v", r)
			case r.Class == loadgen.ClassCheckout:
				if left++; r.Outcome != loadgen.Unknown || r.Reason != "hung_up" || r.Done-r.Sent != 20*time.Millisecond {
					t.Fatalf("%+v", r)
				}
			}
		}
		d, _ := g.Surged("x")
		if left != 30 || d.Left != 30 || d.Arrived != 30 || d.Sent != len(others) {
			t.Errorf("%d hung up, want 30; %+v", left, d)
		}
	})
}

// A poison that is refused was answered well; one that breaks something was not.
func TestPoison(t *testing.T) {
	for _, c := range []struct {
		status  int
		outcome loadgen.Outcome
		reason  string
	}{{400, loadgen.OK, "refused_400"}, {413, loadgen.OK, "refused_413"}, {200, loadgen.OK, ""}, {500, loadgen.Failed, "http_500"}, {503, loadgen.Failed, "http_503"}} {
		bubble(t, func(t *testing.T) {
			s := newShop()
			sizes := map[string]bool{}
			s.before = func(w http.ResponseWriter, r *http.Request) bool {
				poisonous := r.Method == http.MethodPost || len(r.URL.RawQuery) > len("offset=100&limit=100")
				if poisonous {
					s.mu.Lock()
					sizes[r.Method+" "+r.URL.Path[:min(len(r.URL.Path), len("/api/products"))]] = true
					s.mu.Unlock()
					reply(w, c.status, map[string]any{})
				}
				return poisonous
			}
			// Customers do nothing here: the first of them would come much later.
			g, l := start(t, s, loadgen.Config{Seed: 1, Rate: 1e-6})
			surge(t, g, loadgen.Surge{Name: "x", Seed: 2, Rate: 10, Most: 2 * len(loadgen.Doses), Kind: loadgen.Poison})
			_, others := split(drained(t, g, l, 10*time.Second), "x")
			if len(others) != 2*len(loadgen.Doses) {
				t.Errorf("%d doses", len(others))
			}
			for _, r := range others {
				if r.Outcome != c.outcome || r.Reason != c.reason || r.Useful() && loadgen.Limit(r.Class) > 0 {
					t.Errorf("status %d: %+v", c.status, r)
				}
			}
		})
	}
}

// A surge that has ebbed may come again, and nobody of the first is mistaken
// for one of the second. While it is on, it is not begun twice.
func TestASurgeComesAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g, l := start(t, newShop(), loadgen.Config{Seed: 1, Rate: 1})
		s := loadgen.Surge{Name: "x", Seed: 2, Rate: 50, Kind: loadgen.Buy}
		g.Ebb("x") // there is none
		if _, was := g.Surged("x"); was {
			t.Error("a surge is known that never began")
		}
		for range 2 {
			surge(t, g, s)
			time.Sleep(time.Second)
			surge(t, g, s)
			time.Sleep(time.Second)
			if d, _ := g.Surged("x"); !d.On || d.For != 2*time.Second {
				t.Errorf("%+v", d)
			}
			g.Ebb("x")
			g.Ebb("x")
			before, _ := g.Surged("x")
			time.Sleep(time.Second)
			if after, _ := g.Surged("x"); after.Arrived != before.Arrived || after.For != before.For {
				t.Errorf("it has ebbed, and then: %+v, before %+v", after, before)
			}
		}
		_, others := split(drained(t, g, l, time.Second), "x")
		type step struct {
			journey uint64
			step    int
		}
		seen := map[step]bool{}
		for _, r := range others {
			if seen[step{r.Journey, r.Step}] {
				t.Fatalf("twice: %+v", r)
			}
			seen[step{r.Journey, r.Step}] = true
		}
		if err := g.Surge(s); err == nil || !strings.Contains(err.Error(), "the load has stopped") {
			t.Errorf("after the end: %v", err)
		}
	})
}

func TestWhatIsNoSurge(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g, _ := start(t, newShop(), loadgen.Config{Seed: 1, Rate: 40})
		for want, s := range map[string]loadgen.Surge{
			"it has no name":                   {Rate: 1, Kind: loadgen.Mixed},
			`kind "wild": want one of`:         {Name: "x", Rate: 1, Kind: "wild"},
			`dose "none": want one of`:         {Name: "x", Rate: 1, Kind: loadgen.Poison, Dose: "none"},
			"at most -1 journeys":              {Name: "x", Rate: 1, Kind: loadgen.Mixed, Most: -1},
			"patience -1ns":                    {Name: "x", Rate: 1, Kind: loadgen.Mixed, Patience: -1},
			"want either a factor or a rate":   {Name: "x", Kind: loadgen.Mixed},
			"factor 1: want more than 1":       {Name: "x", Factor: 1, Kind: loadgen.Mixed},
			"20000 journeys a second":          {Name: "x", Rate: 20000, Kind: loadgen.Mixed},
			"3.996e+07 journeys a second":      {Name: "x", Factor: 999001, Kind: loadgen.Mixed},
			`customers do not ask "gateway-9"`: {Name: "x", Rate: 1, Kind: loadgen.Mixed, Gateways: []string{"gateway-1", "gateway-9"}},
		} {
			if err := g.Surge(s); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %s", err, want)
			}
		}
		both := loadgen.Surge{Name: "x", Rate: 1, Factor: 2, Kind: loadgen.Mixed}
		if err := g.Surge(both); err == nil {
			t.Error("a factor and a rate were taken")
		}
	})
}
