package check_test

import (
	"math"
	"slices"
	"testing"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/loadgen"
	"github.com/bedlamlab/bedlam/observability/collector"
)

// long is when the load of a long run stops: late enough for what is still
// there to be a scar of either experiment.
const long = 140

// never is later than anything.
const never = 1e6

// leak is a long run in which an instance holds more from the injection of the
// first experiment on.
func leak(instance, metric string, by float64) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		w.prolong(long)
		w.raise(t, instance, metric, firstBegun+injectedAfter, never, more(by))
	}
}

// badLevels are those that the processes show.
var badLevels = []bad{
	{"a heap that stays", leak("payment-1", heap, 60e6), "scars", "payment", bankCut, chaos.Fail},
	{"goroutines that stay", leak("checkout-1", routines, 300), "scars", "checkout", bankCut, chaos.Fail},
	{"files that stay open", leak("payment-1", files, 300), "scars", "payment", bankCut, chaos.Fail},
	{"requests that never end", leak("checkout-2", serving, 300), "scars", "checkout", bankCut, chaos.Fail},
	{"connections that never come back to their pool", leak("payment-1", pool, 5), "scars", "payment", bankCut, chaos.Fail},
	{"an outbox that is never emptied", leak("orders-1", outbox, 500), "scars", "orders", bankCut, chaos.Fail},
	{"a new life that holds more than its kind ever did", func(t *testing.T, w *world) {
		w.prolong(long)
		w.reborn("recommend-1", secondBegun+5)
		w.raise(t, "recommend-1", routines, secondBegun+5, never, more(300))
	}, "scars", "recommend", recommendDown, chaos.Fail},
	{"what the second experiment left, and not the first", func(t *testing.T, w *world) {
		w.prolong(long)
		w.raise(t, "checkout-1", routines, secondBegun+injectedAfter, never, more(300))
	}, "scars", "checkout", recommendDown, chaos.Fail},
}

// TestNoScar has processes that hold more for a while, or a little more, or
// were not watched for long enough.
func TestNoScar(t *testing.T) {
	const at = firstBegun + injectedAfter
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, w *world)
		told  string // the measure that is told as not being back; empty: none
	}{
		{"nothing", func(t *testing.T, w *world) { w.prolong(long) }, ""},
		{"a queue that is worked off", func(t *testing.T, w *world) {
			w.prolong(long)
			w.raise(t, "checkout-1", serving, at, at+20, more(500))
			w.raise(t, "checkout-1", routines, at, at+20, more(500))
		}, ""},
		{"a heap between two collections", func(t *testing.T, w *world) {
			w.prolong(long)
			l := w.level(t, "payment-1", heap)
			for i := range l.Points {
				if i%5 > 0 {
					l.Points[i].Value = 60e6
				}
			}
		}, ""},
		{"a heap of which nothing was collected since the lift", func(t *testing.T, w *world) {
			w.prolong(long)
			w.raise(t, "payment-1", heap, at, never, func(float64) float64 { return 60e6 })
		}, ""},
		{"a heap that is for once what it was, to the byte", func(t *testing.T, w *world) {
			w.prolong(long)
			l := w.level(t, "payment-1", heap)
			for i := range l.Points {
				p := &l.Points[i]
				if p.Value = 90e6; p.Time.Before(moment(firstBegun+liftingAfter)) || p.Time.Equal(moment(23)) {
					p.Value = 6e6
				}
			}
		}, ""},
		{"memory in use that climbs to the heap's goal", func(t *testing.T, w *world) {
			w.prolong(long)
			w.raise(t, "payment-1", "go.memory.used", at, never, more(100e6))
		}, ""},
		{"connections that customers keep: far more than before, and not for ever", func(t *testing.T, w *world) {
			w.prolong(long)
			for _, m := range []string{files, routines} {
				w.raise(t, "checkout-1", m, at, at+90, more(200))
			}
		}, ""},
		{"some connections more, for good", func(t *testing.T, w *world) {
			w.prolong(long)
			w.raise(t, "checkout-1", files, at, never, more(40))
		}, "descriptors"},
		{"far more, in a run that ended soon", func(t *testing.T, w *world) {
			w.raise(t, "checkout-1", routines, at, never, more(300))
		}, "goroutines"},
		{"what was there before the fault", func(t *testing.T, w *world) {
			w.prolong(long)
			w.raise(t, "checkout-1", routines, 0, never, more(300))
		}, ""},
		{"a new life like the first", func(t *testing.T, w *world) {
			w.prolong(long)
			w.reborn("recommend-1", secondBegun+5)
		}, ""},
		{"a new life that holds what its replica held", func(t *testing.T, w *world) {
			w.prolong(long)
			w.reborn("recommend-1", secondBegun+5)
			w.raise(t, "recommend-2", routines, -5, never, more(300))
			w.raise(t, "recommend-1", routines, secondBegun+5, never, more(300))
		}, ""},
		{"slower for good, and not slow", func(t *testing.T, w *world) {
			w.prolong(long)
			for s := baselineFrom + 0.005; s < baselineTo; s += 0.01 { // a percentile needs a thousand
				w.request(loadgen.ClassHome, s, 0.01)
			}
			w.each(secondBegun+liftingAfter, long, func(r *loadgen.Request) { r.Done += seconds(0.1) })
		}, "p99"},
		{"no levels at all", func(t *testing.T, w *world) { w.levels = nil }, ""},
		{"levels of nonsense", func(t *testing.T, w *world) {
			w.raise(t, "checkout-1", routines, at, never, func(float64) float64 { return math.NaN() })
			w.raise(t, "checkout-2", routines, at, never, func(float64) float64 { return math.Inf(1) })
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := golden()
			c.spoil(t, w)
			res := judge(w)
			if res.Verdict != chaos.Pass {
				t.Errorf("got %s:%s", res.Verdict, list(res))
			}
			told := ""
			for _, e := range res.Experiments {
				if e.Restoration == nil {
					continue
				}
				for _, s := range e.Restoration.Scars {
					told = s.Measure
					if s.Lasting || s.Text == "" || s.Since <= s.Limit || s.Limit < s.Before {
						t.Errorf("%s: %+v", e.Name, s)
					}
				}
			}
			if told != c.told {
				t.Errorf("told is %q, want %q: %+v", told, c.told, res.Experiments[1].Restoration)
			}
		})
	}
}

// TestRestorationCounts says what was compared, and what could not be.
func TestRestorationCounts(t *testing.T) {
	w := golden()
	w.levels = slices.DeleteFunc(w.levels, func(l *collector.Level) bool { return l.Name != routines && l.Name != files })
	// One has sent nothing since the fault, another was looked at too seldom.
	silent, seldom := w.level(t, "bank-1", routines), w.level(t, "payment-1", routines)
	silent.Points = slices.DeleteFunc(silent.Points, func(p collector.Point) bool { return p.Time.After(moment(firstBegun)) })
	seldom.Points = slices.DeleteFunc(seldom.Points, func(p collector.Point) bool { return p.Time.Second()%8 != 0 })
	w.raise(t, "checkout-1", files, firstBegun, never, more(100))
	res := judge(w)
	r := of(t, res, bankCut).Restoration
	// Two measures of seven instances, and the percentile.
	if r == nil || r.Back+r.Untold+len(r.Scars) != 15 || len(r.Scars) != 1 || r.Untold < 2 || r.Told() != 15-r.Untold {
		t.Fatalf("got %+v", r)
	}
	s := r.Scars[0]
	want := chaos.Scar{Instance: "checkout-1", Measure: "descriptors", Metric: files, Unit: "count", Before: 21, Since: 120, Limit: 1.1*21 + 8, N: [2]int{5, 6},
		Text: "descriptors of checkout-1: never below 120 in 21 s since the lift, at most 21 before (whether it stays takes 75 s to tell)"}
	if s != want || r.Watched != 20.9 {
		t.Errorf("got %+v,\nwant %+v, watched for %g s", s, want, r.Watched)
	}
	// It was there before the second experiment, and is not told again.
	if r := of(t, res, recommendDown).Restoration; len(r.Scars) != 0 {
		t.Errorf("the second experiment has %+v", r.Scars)
	}
	row := effect(t, res, bankCut, "scars")
	if row.After == nil || *row.After != 1 || row.N[2] != r.Told() {
		t.Errorf("the row of scars is %+v", row)
	}
}

// TestBounds has every measure right at each of its bounds, and one above it.
func TestBounds(t *testing.T) {
	bounds := []struct {
		metric, instance      string
		before, back, lasting float64
	}{
		{heap, "payment-1", 10e6, 15e6 + 4<<20, 20e6 + 16<<20},
		{routines, "payment-1", 100, 118, 264},
		{files, "payment-1", 100, 118, 264},
		{serving, "payment-1", 100, 118, 264},
		{pool, "payment-1", 2, 3, 4},
		{waits, "payment-1", 1, 3, 9},
		{servingHTTP, "payment-1", 100, 118, 264},
		{outbox, "orders-1", 100, 118, 264},
	}
	for _, c := range []struct {
		above         float64
		atLasting     bool
		told, lasting bool
	}{{0, false, false, false}, {1, false, true, false}, {0, true, true, false}, {1, true, true, true}} {
		w := golden()
		w.prolong(long)
		for _, b := range bounds {
			since := b.back + c.above
			if c.atLasting {
				since = b.lasting + c.above
			}
			l := w.level(t, b.instance, b.metric)
			for i := range l.Points {
				p := &l.Points[i]
				p.Value = b.before - float64(i%2) // at most
				if !p.Time.Before(moment(firstBegun)) {
					p.Value = since + float64(i%2) // at least; each after another collection
				}
			}
		}
		r := of(t, judge(w), bankCut).Restoration
		for _, b := range bounds {
			i := slices.IndexFunc(r.Scars, func(s chaos.Scar) bool { return s.Metric == b.metric && s.Instance == b.instance })
			if told := i >= 0; told != c.told || told && (r.Scars[i].Lasting != c.lasting || math.Abs(r.Scars[i].Limit-b.back) > 1e-6) {
				t.Errorf("%s, %g above its bound (lasting: %t): %+v", b.metric, c.above, c.atLasting, r.Scars)
			}
		}
	}
}

// TestWhatLastsComesFirst has one measure that is far off, and one that is
// farther for what it may be.
func TestWhatLastsComesFirst(t *testing.T) {
	w := golden()
	w.prolong(long)
	w.raise(t, "checkout-1", files, firstBegun, never, more(60))
	w.raise(t, "checkout-2", files, firstBegun, never, more(70))
	w.raise(t, "payment-1", pool, firstBegun, never, more(5))
	r := of(t, judge(w), bankCut).Restoration
	var got []string
	for _, s := range r.Scars {
		got = append(got, s.Instance)
	}
	if want := []string{"payment-1", "checkout-2", "checkout-1"}; !slices.Equal(got, want) || !r.Scars[0].Lasting || r.Scars[1].Lasting {
		t.Errorf("got %q of %+v, want %q", got, r.Scars, want)
	}
	w.levels = levels{&collector.Level{Service: "bank", Instance: "bank-1", Name: "jvm.memory.used"}}
	if r := of(t, judge(w), bankCut).Restoration; r != nil {
		t.Errorf("of nothing that is known there is %+v", r)
	}
}

// TestHowMuchItTakes has just enough readings, for just long enough, and one
// less.
func TestHowMuchItTakes(t *testing.T) {
	const lift = 20 // whole, so that differences are
	at := func(moments ...float64) (ps []collector.Point) {
		for _, s := range moments {
			p := collector.Point{Time: moment(s), Since: moment(firstLife), Value: 10}
			if s > lift {
				p.Value = 1000
			}
			ps = append(ps, p)
		}
		return ps
	}
	for _, c := range []struct {
		name          string
		points        []collector.Point
		told, lasting bool
	}{
		{"enough", at(4, 6, 8, lift+5, lift+75), true, true},
		{"not for long enough", at(4, 6, 8, lift+5, lift+74.9), true, false},
		{"too few before", at(4, 6, lift+5, lift+75), false, false},
		{"too few since", at(4, 6, 8, lift+5), false, false},
		{"none right after the fault", at(4, 6, 8, lift+50, lift+75), false, false},
		{"none before the first customer counts", at(-4, -2, -1, lift+5, lift+75), false, false},
	} {
		w := golden()
		w.prolong(long)
		w.entry(t, bankCut, chaos.Lifted).Time = moment(lift)
		w.levels = levels{&collector.Level{Service: "bank", Instance: "bank-1", Name: routines, Points: c.points}}
		r := of(t, judge(w), bankCut).Restoration
		if told := len(r.Scars) == 1; told != c.told || told && r.Scars[0].Lasting != c.lasting {
			t.Errorf("%s: %+v", c.name, r)
		}
	}
}

// TestTheTail has the slowest take as long as is normal, and a little longer.
func TestTheTail(t *testing.T) {
	for took, told := range map[float64]bool{0.1: false, 0.16: false, 0.161: true} {
		w := golden()
		w.prolong(long)
		w.requests = nil
		for s := baselineFrom; s < long-1; s += 0.009 {
			w.request(loadgen.ClassHome, s, 0.1)
		}
		w.each(firstBegun, long, func(r *loadgen.Request) { r.Done = r.Due + seconds(took) })
		r := of(t, judge(w), bankCut).Restoration
		if got := slices.ContainsFunc(r.Scars, func(s chaos.Scar) bool { return s.Measure == "p99" }); got != told {
			t.Errorf("%g s after 0.1 s: %+v", took, r.Scars)
		}
	}
}

// TestHoldings sees what all processes hold.
func TestHoldings(t *testing.T) {
	w := golden()
	w.raise(t, "checkout-1", routines, firstBegun+injectedAfter, firstBegun+liftingAfter, more(1000))
	res := judge(w)
	r := effect(t, res, bankCut, "goroutines")
	if r.Baseline == nil || *r.Baseline != 7*41 || r.Fault == nil || *r.Fault < 1000 || *r.Fault > 1000+7*42 || r.After == nil || *r.After > 7*42 {
		t.Errorf("got %+v", r)
	}
	for _, m := range chaos.Holdings {
		if r := effect(t, res, bankCut, m.Name); r.Baseline == nil || r.Fault == nil || r.After == nil || r.Unit != m.Unit {
			t.Errorf("%s: %+v", m.Name, r)
		}
	}
	w = golden()
	w.levels = nil
	if r := effect(t, judge(w), bankCut, "memory"); r.Baseline != nil || r.Fault != nil || r.After != nil {
		t.Errorf("without levels there is memory: %+v", r)
	}
}
