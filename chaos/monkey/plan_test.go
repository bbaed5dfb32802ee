package monkey_test

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/fault"
	"github.com/bedlamlab/bedlam/chaos/monkey"
	"github.com/bedlamlab/bedlam/services"
	"github.com/bedlamlab/bedlam/topology"
)

// start is a Monday morning.
var start = time.Date(2026, time.March, 23, 8, 0, 0, 0, time.UTC)

// catalogue is the built-in one, with what each fault harms.
func catalogue(t testing.TB) []monkey.Choice {
	t.Helper()
	if whole != nil {
		return whole
	}
	all, err := monkey.Catalogue()
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range all {
		at := slices.IndexFunc(fault.Kinds(), func(k fault.Kind) bool { return k.Name == c.Fault })
		if at < 0 {
			t.Fatalf("the catalogue has a fault that there is not: %s", c.Fault)
		}
		all[i].Edges = fault.Kinds()[at].On == "edges"
	}
	whole = all
	return all
}

var whole []monkey.Choice // once it was read

func plan(t testing.TB, o monkey.Options) *monkey.Plan {
	t.Helper()
	p, err := monkey.NewPlan(o, catalogue(t), services.Shop())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func options() monkey.Options {
	o := monkey.Defaults()
	o.Start = start
	return o
}

func window(t testing.TB, text string) monkey.Window {
	t.Helper()
	w, err := monkey.ParseWindow(text)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// drawn are options as a person may give them.
func drawn(t testing.TB, r *rapid.T) monkey.Options {
	o := options()
	o.Seed = rapid.Uint64().Draw(r, "seed")
	o.Least = topology.Duration(rapid.IntRange(1, 120).Draw(r, "least")) * topology.Duration(time.Second)
	o.Mean = o.Least * topology.Duration(rapid.IntRange(1, 5).Draw(r, "times"))
	o.Hold = topology.Duration(rapid.IntRange(1, 300).Draw(r, "hold")) * topology.Duration(time.Second)
	o.Share = rapid.SampledFrom([]int{50, 75, 100}).Draw(r, "share")
	o.Simultaneous = rapid.IntRange(1, 4).Draw(r, "simultaneous")
	o.Exclude = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"payment", "catalog-1", "bank", "gateway-2", "postgres", "cart"}), 0, 4, rapid.ID).Draw(r, "exclude")
	for _, text := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"09:00-17:00", "Mon-Fri 22:00-06:00 Europe/Berlin", "Sat 00:00-24:00"}), 0, 2, rapid.ID).Draw(r, "hours") {
		o.Hours = append(o.Hours, window(t, text))
	}
	for _, text := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"12:00-13:00", "Tue 10:00-11:00", "2026-03-24T09:00:00Z/2026-03-25T10:00:00Z"}), 0, 2, rapid.ID).Draw(r, "quiet") {
		o.Quiet = append(o.Quiet, window(t, text))
	}
	return o
}

// first are a plan's first faults.
func first(p *monkey.Plan, n int) []chaos.Resolved {
	var all []chaos.Resolved
	for r := range p.All() {
		if all = append(all, r); len(all) == n {
			break
		}
	}
	return all
}

func TestTheSameInputsGiveTheSameSchedule(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		o := drawn(t, r)
		text := func() string {
			b, err := json.Marshal(first(plan(t, o), 40))
			if err != nil {
				r.Fatal(err)
			}
			return string(b)
		}
		if a, b := text(), text(); a != b {
			r.Fatal(cmp.Diff(a, b))
		}
	})
	a, b := options(), options()
	b.Seed++
	if cmp.Equal(first(plan(t, a), 10), first(plan(t, b), 10)) {
		t.Error("two seeds give one schedule")
	}
}

func TestAShorterScheduleIsAPrefix(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		p := plan(t, drawn(t, r))
		long := first(p, 40)
		until := rapid.SampledFrom(long).Draw(r, "until").At.D()
		short := p.Until(until)
		if len(short) >= len(long) {
			r.Fatalf("%d faults before %s, of %d", len(short), until, len(long))
		}
		if diff := cmp.Diff(long[:len(short)], short); diff != "" && len(short) > 0 {
			r.Fatal(diff)
		}
	})
}

// TestEveryFaultKeepsTheOptions: gaps, hours, quiet periods, exclusions, caps.
func TestEveryFaultKeepsTheOptions(t *testing.T) {
	shop := services.Shop()
	where := map[string]topology.Instance{}
	for _, in := range shop.Instances() {
		where[in.Name] = in
	}
	rapid.Check(t, func(r *rapid.T) {
		o := drawn(t, r)
		all := first(plan(t, o), 60)
		for i, f := range all {
			if i > 0 && f.At-all[i-1].At < o.Least {
				r.Fatalf("%s begins %s after the one before, at least %s is asked for", f.ID, f.At-all[i-1].At, o.Least)
			}
			if f.Duration < topology.Duration(monkey.ShortestHold) || f.Duration > o.Hold*3/2+topology.Duration(monkey.ShortestHold) {
				r.Fatalf("%s is on for %s, asked for about %s", f.ID, f.Duration, o.Hold)
			}
			// No hour or quiet period of drawn's is shorter than an hour.
			for _, at := range []time.Duration{f.At.D(), (f.At + f.Duration/2).D(), (f.At + f.Duration - 1).D()} {
				if !inHours(o, start.Add(at)) {
					r.Fatalf("%s is on at %s", f.ID, start.Add(at))
				}
			}
			names := slices.Clone(f.Instances)
			var harmed = slices.Clone(f.Instances)
			for _, l := range f.Links {
				names, harmed = append(names, l.From, l.To), append(harmed, l.From)
			}
			for _, name := range names {
				in, ok := where[name]
				if !ok || slices.Contains(o.Exclude, name) || slices.Contains(o.Exclude, in.Service) {
					r.Fatalf("%s touches %s; %v are excluded", f.ID, name, o.Exclude)
				}
			}
			if len(f.Links) == 0 == (len(f.Instances) == 0) {
				r.Fatalf("%+v", f)
			}
			on := []chaos.Resolved{f}
			for _, g := range all[:i] {
				if chaos.Overlap(f, g) {
					on = append(on, g)
					if err := chaos.Conflict(f, g); err != nil {
						r.Fatalf("%s and %s: %v", f.ID, g.ID, err)
					}
					for _, l := range f.Links {
						if slices.Contains(g.Links, l) || slices.Contains(g.Instances, l.From) || slices.Contains(g.Instances, l.To) {
							r.Fatalf("%s and %s meet at %s", f.ID, g.ID, l)
						}
					}
					if slices.ContainsFunc(f.Instances, func(in string) bool { return slices.Contains(g.Instances, in) }) {
						r.Fatalf("%s and %s both harm one of %v", f.ID, g.ID, f.Instances)
					}
				}
			}
			if len(on) > o.Simultaneous {
				r.Fatalf("%d are on with %s, at most %d may be", len(on), f.ID, o.Simultaneous)
			}
			hurt := map[string]map[string]bool{}
			for _, g := range on {
				for _, name := range append(slices.Clone(g.Instances), callers(g)...) {
					s := where[name].Service
					if hurt[s] == nil {
						hurt[s] = map[string]bool{}
					}
					hurt[s][name] = true
				}
			}
			for s, who := range hurt {
				if len(who)*100 > o.Share*len(shop.InstancesOf(s)) {
					r.Fatalf("with %s, %v of %s are harmed; at most %d %% may be", f.ID, who, s, o.Share)
				}
			}
		}
	})
}

func callers(f chaos.Resolved) (all []string) {
	for _, l := range f.Links {
		all = append(all, l.From)
	}
	return all
}

var berlin = func() *time.Location {
	z, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		panic(err)
	}
	return z
}()

// inHours says, without any window's code, what drawn's words mean.
func inHours(o monkey.Options, t time.Time) bool {
	in := func(w monkey.Window) bool {
		switch t = t.UTC(); w.String() {
		case "09:00-17:00":
			return t.Hour() >= 9 && t.Hour() < 17
		case "Mon-Fri 22:00-06:00 Europe/Berlin":
			b := t.In(berlin)
			weekday := func(d time.Weekday) bool { return d != time.Saturday && d != time.Sunday }
			return b.Hour() >= 22 && weekday(b.Weekday()) || b.Hour() < 6 && weekday((b.Weekday()+6)%7)
		case "Sat 00:00-24:00":
			return t.Weekday() == time.Saturday
		case "12:00-13:00":
			return t.Hour() == 12
		case "Tue 10:00-11:00":
			return t.Weekday() == time.Tuesday && t.Hour() == 10
		case "2026-03-24T09:00:00Z/2026-03-25T10:00:00Z":
			return !t.Before(time.Date(2026, 3, 24, 9, 0, 0, 0, time.UTC)) && t.Before(time.Date(2026, 3, 25, 10, 0, 0, 0, time.UTC))
		}
		panic("the test does not know " + w.String())
	}
	return (len(o.Hours) == 0 || slices.ContainsFunc(o.Hours, in)) && !slices.ContainsFunc(o.Quiet, in)
}

// TestWeightsAreKept counts a long schedule: each fault's share lies within
// 3.9 standard deviations of its weight's, which one in 10^4 binomial counts
// does not. The seeds are fixed, so that it is always the same count.
func TestWeightsAreKept(t *testing.T) {
	const n = 4000
	for seed := range uint64(3) {
		o := options()
		o.Seed = seed
		p := plan(t, o)
		want, total := map[string]float64{}, 0.0
		for _, c := range p.Choices() {
			want[c.Fault] += c.Weight
			total += c.Weight
		}
		got := map[string]int{}
		var gaps time.Duration
		all := first(p, n)
		for i, f := range all {
			got[f.Action]++
			if i > 0 {
				gaps += (f.At - all[i-1].At).D()
			}
		}
		for name, w := range want {
			share := w / total
			if off := math.Abs(float64(got[name]) - n*share); off > 3.9*math.Sqrt(n*share*(1-share)) {
				t.Errorf("seed %d: %d of %d are %s, of weight %g in %g", seed, got[name], n, name, w, total)
			}
		}
		// Least and an exponential time: its deviation is mean less least, that
		// of the mean of n a 63rd of it.
		if mean := gaps / (n - 1); mean < 58*time.Second || mean > 62*time.Second {
			t.Errorf("seed %d: the mean time between faults is %s, asked for %s", seed, mean, o.Mean)
		}
	}
}

func TestAPlanThatMakesNoSenseIsRefused(t *testing.T) {
	for _, c := range []struct {
		change func(*monkey.Options)
		want   string
	}{
		{func(o *monkey.Options) { o.Least = 0 }, "want at least 1s"},
		{func(o *monkey.Options) { o.Mean = o.Least - 1 }, "less than the minimum"},
		{func(o *monkey.Options) { o.Mean = 1 << 62 }, "want at most"},
		{func(o *monkey.Options) { o.Hold = 1 }, "want 1s to 10m0s"},
		{func(o *monkey.Options) { o.Hold = topology.Duration(time.Hour) }, "want 1s to 10m0s"},
		{func(o *monkey.Options) { o.Share = 0 }, "a share of 0 %"},
		{func(o *monkey.Options) { o.Share = 101 }, "a share of 101 %"},
		{func(o *monkey.Options) { o.Simultaneous = 0 }, "0 faults at once"},
		{func(o *monkey.Options) { o.Exclude = []string{"paiment"} }, `called "paiment" to exclude`},
		{func(o *monkey.Options) { o.Exclude = []string{"a", "b"} }, "nothing is left to break"},
		{func(o *monkey.Options) { o.Share = 10 }, "nothing is left to break"},
		{func(o *monkey.Options) { o.Quiet = append(o.Quiet, window(t, "00:00-24:00")) }, "no hour that is not in a quiet period"},
		{func(o *monkey.Options) {
			o.Hours, o.Hold = append(o.Hours, window(t, "09:00-09:01")), topology.Duration(5*time.Minute)
		}, "no fault of about 5m0s fits"},
	} {
		o := options()
		c.change(&o)
		if _, err := monkey.NewPlan(o, catalogue(t), services.Shop()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}

func TestCatalogues(t *testing.T) {
	for text, want := range map[string]string{
		"":                                "it names no fault",
		"[]":                              "it names no fault",
		"- {weight: 1}":                   "entry 1: it names no fault",
		"- {fault: kill, wait: 1}":        "wait not found",
		"- {fault: kill, weight: -1}":     "weight -1: want 0",
		"- {fault: kill, weight: .nan}":   "weight NaN: want 0",
		"- {fault: kill}\n---\n- {}":      "more than one document",
		"{fault: kill}":                   "cannot unmarshal",
		"- {fault: kill, args: [1]}":      "cannot unmarshal",
		"- {fault: kill, args: {1: {}}}":  "",
		"- {fault: kill, weight: 0}":      "",
		"- {fault: x, direction: to}":     "",
		"- {fault: x, args: {a: {b: 1}}}": "",
	} {
		_, err := monkey.ParseCatalogue("x.yaml", []byte(text))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
	for word, want := range map[string]string{"kill": "no weight", "kill=": "no weight", "kill=-1": "no weight", "kill=NaN": "no weight", "nonsense=1": `no fault "nonsense"`} {
		if _, err := monkey.Reweigh(catalogue(t), []string{word}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", word, err, want)
		}
	}
	all, err := monkey.Reweigh(catalogue(t), []string{"kill=0", "pause=7"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		if c.Fault == "kill" && c.Weight != 0 || c.Fault == "pause" && c.Weight != 7 {
			t.Errorf("%+v", c)
		}
	}
}

// TestTheBuiltInFaultsAreWhole: each can be built as it stands.
func TestTheBuiltInFaultsAreWhole(t *testing.T) {
	for _, c := range catalogue(t) {
		s := chaos.Spec{Action: c.Fault, Args: c.Args, Direction: c.Direction}
		if c.Edges {
			s.Target = &chaos.Selector{}
		}
		if err := fault.Check(s); err != nil {
			t.Error(err)
		}
	}
}

func FuzzWindow(f *testing.F) {
	for _, s := range []string{"09:00-17:00", "Mon-Fri 22:00-06:00 Europe/Berlin", "2026-12-24T12:00:00Z/2026-12-27T00:00:00Z", "Sat 00:00-24:00 UTC"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		w, err := monkey.ParseWindow(text)
		if err != nil {
			return
		}
		if again, err := monkey.ParseWindow(w.String()); err != nil || fmt.Sprint(again) != fmt.Sprint(w) {
			t.Fatalf("%q is %q, and that is %v, %v", text, w, again, err)
		}
	})
}

func FuzzCatalogue(f *testing.F) {
	f.Add("- {fault: kill, weight: 3, args: {hold: true}}")
	f.Fuzz(func(t *testing.T, text string) {
		_, _ = monkey.ParseCatalogue("x", []byte(text)) // must not panic
	})
}
