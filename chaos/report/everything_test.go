package report_test

import (
	"math"
	"strings"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
)

func of(x float64) *float64 { return &x }

func held(v chaos.Verdict) *chaos.Verdict { return &v }

// everything is a made-up result that has one of each: an experiment that
// passed, one that failed, one that was not lifted, one that the engine could
// not do, one that proved nothing, and all that can be said about them.
func everything() chaos.Result {
	r := chaos.Result{
		Schema: chaos.ResultSchema, Seed: 7, Engine: "process", Verdict: chaos.Fail, Exit: 4, Suite: "default",
		Run: "20260131-101504-0a1b2c3d", Version: "0.1.0", Commit: "0123456789abcdef0123456789abcdef01234567",
		Machine: chaos.Machine{OS: "linux", Arch: "arm64", CPUs: 4, Memory: 16 << 30, Kernel: "6.12.1", Host: "rack-7"},
		Started: time.Date(2026, 1, 31, 10, 15, 4, 0, time.UTC), Seconds: 81.5,
		Reasons: []string{
			"bank-slow: p99 of checkout was 4.1 s, limit at most 2.5 s; checkout did not tolerate the loss of bank (payment->bank)",
			"bank-slow: order o-17 was charged 2 times (and 3 more)",
			"inventory-cut-off: the links could not be healed",
			"catalog-packet-loss: nothing was harmed: the engine process has no power to drop packets",
			"shipping-paused: no request met the fault: the experiment says nothing about the shop",
			"the data could not be read at the end",
			"the generator sent 250 of 9000 requests more than 10 ms late (at most 1 % may be)",
		},
		Experiments: []chaos.ExperimentResult{passed(), failed(), notLifted(), unsupported(), unproven()},
		Gates: []chaos.Gate{
			{Name: "record", OK: true, Text: "the record is complete"},
			{Name: "generator", OK: false, Text: "the generator sent 250 of 9000 requests more than 10 ms late (at most 1 % may be)"},
		},
		Audit: []chaos.AuditLine{
			{Name: "captured-once", Title: "for each order the bank has charged its total once", N: 1433, Violations: 4, Verdict: chaos.Fail, Text: "order o-17 was charged 2 times"},
			{Name: "no-oversell", Title: "never more is sold than there was", N: 1000, Bound: 0.003, Verdict: chaos.Pass},
			{Name: "shipped-once", Title: "every paid order is shipped once", Bound: 1, Verdict: chaos.Inconclusive, Text: "shipping could not be read"},
		},
		Findings: []chaos.Finding{{Check: "audit", Verdict: chaos.Inconclusive, Site: "shipping", Text: "the data could not be read at the end", Repeat: "bedlam run --seed 7 default"}},
		Load: chaos.Load{Rate: 40, Journeys: 2600, Requests: 9000, Surges: 120, Achieved: 0.998, LagP99: 0.0123,
			Outcomes: map[string]int{"ok": 8650, "degraded": 300, "failed": 40, "unknown": 10}},
		Series: series(81),
		Traces: []chaos.Waterfall{
			{Trace: "4bf92f3577b34da6a3ce929d0e0e4736", Class: "checkout", Outcome: "unknown (timeout)", Experiment: "bank-slow", At: 31.25, Seconds: 4.1, Spans: spans()},
			{Trace: "00f067aa0ba902b74bf92f3577b34da6", Class: "home", Outcome: "degraded", Experiment: "recommend-down", At: 14.5, Seconds: 0.071, Spans: spans()[:2]},
			{Trace: "ffffffffffffffffffffffffffffffff", Class: "home", Outcome: "ok", At: 3, Seconds: 0.01},
		},
	}
	r.Comparison = &chaos.Comparison{Kind: "pairs", Pairs: 6, Alpha: 0.05, Rows: compared(), Notes: []string{"bank-slow: pair 3 was not counted: in the control: the generator sent requests late"}}
	r.Regression = &chaos.Comparison{Kind: "earlier", Alpha: 0.05, Rows: compared()[:1], Of: "run 20260130, commit 0123456789ab", Margin: "worse by more than 2 pp of goodput is a regression"}
	r.Stronger = "More pairs would make it stronger."
	return r
}

func compared() []chaos.ComparedRow {
	row := chaos.ComparedRow{Experiment: "bank-slow", Metric: "goodput", Phase: "fault", Kind: "margin", Unit: "share", N: 6, Before: of(1), Now: of(0.95),
		Worse: of(0.05), Lo: of(0.04), Hi: of(0.06), Bound: 0.02, P: 0.001, Values: []float64{0.05}, Verdict: chaos.Fail, Text: "goodput: worse by 5.00 pp (4.00 pp to 6.00 pp)"}
	kept := row
	kept.Metric, kept.Ratio, kept.Verdict, kept.Text = "p90", true, chaos.Pass, "p90 after: worse by 1.01 times"
	return []chaos.ComparedRow{row, kept}
}

func rows(goodput [3]float64, v chaos.Verdict) []chaos.Row {
	n := [3]int{691, 440, 212}
	p99 := map[chaos.Verdict]*float64{chaos.Pass: of(1.9), chaos.Fail: of(4.1)}[v] // cannot be told, if inconclusive
	return []chaos.Row{
		{Metric: "goodput", Unit: "share", Baseline: &goodput[0], Fault: &goodput[1], After: &goodput[2], N: n, Limit: "at least 95 %; at least 99 % after", Verdict: &v},
		{Metric: "failed", Unit: "share", Baseline: of(0), Fault: of(0.00001), After: of(0), N: n},
		{Metric: "lost", Unit: "count", Baseline: of(0), Fault: of(1234), After: of(0), N: n},
		{Metric: "p50", Unit: "s", Baseline: of(0.0028), Fault: of(0.0031), After: of(0.0000042), N: n},
		{Metric: "p90", Unit: "s", Baseline: of(0.0063), Fault: of(0.31), After: of(0.006), N: n},
		{Metric: "p99", Unit: "s", Fault: p99, N: n, Limit: "at most 2.5 s", Verdict: &v},
		{Metric: "p99.9", Unit: "s", N: n},
		{Metric: "amplification", Class: "payment->bank", Unit: "x", Baseline: of(1), Fault: of(1.49), After: of(1), N: [3]int{57, 58, 13}, Limit: "at most 1.50 x", Verdict: held(chaos.Pass), Basis: chaos.NotRefuted, Intervals: [3]*chaos.Interval{{Lo: 1, Hi: 1}, {Lo: 1.2, Hi: 1.8}, nil}},
		{Metric: "recovery", Unit: "s", After: of(0), N: [3]int{0, 0, 5}, Limit: "at most 5s", Verdict: held(chaos.Pass)},
		{Metric: "memory", Unit: "bytes", Baseline: of(1.9e8), Fault: of(2.04e9), After: of(812), N: [3]int{95, 57, 38}},
	}
}

func passed() chaos.ExperimentResult {
	return chaos.ExperimentResult{Name: "recommend-down", Title: "Recommendations are down", Verdict: chaos.Pass,
		Injection: chaos.Injection{Status: "proven", Victims: []string{"recommend-1", "recommend-2"}, Faults: []string{"kill {hold: true}"}, Probe: "recommend-1 is down, recommend-2 is down", Witnesses: 70},
		Recovery:  chaos.Recovery{Status: "recovered", Seconds: of(0), Since: "lift", Lift: "recommend-1 runs, recommend-2 runs"},
		Baseline:  chaos.Window{From: 3, To: 13}, Fault: chaos.Window{From: 13.4, To: 19.3}, After: chaos.Window{From: 20.4, To: 24.5},
		Stability:   &chaos.Stability{Class: chaos.Stable, Watched: 5.1, Text: "goodput was back within 1s of the lift"},
		Restoration: &chaos.Restoration{Watched: 4.2, Back: 84, Untold: 2, Scars: []chaos.Scar{slower()}},
		Rows:        rows([3]float64{1, 0.99999, 1}, chaos.Pass), Findings: []chaos.Finding{}}
}

func slower() chaos.Scar {
	return chaos.Scar{Measure: "p99", Metric: "p99", Unit: "s", Before: 0.05, Since: 0.16, Limit: 0.085, N: [2]int{1330, 1200}, Text: "p99 was 160ms since the lift, 50ms before"}
}

// scarred is what a system kept that stayed broken.
func scarred() *chaos.Restoration {
	r := &chaos.Restoration{Watched: 121, Back: 60, Scars: []chaos.Scar{
		{Instance: "payment-1", Measure: "goroutines", Metric: "go.goroutine.count", Unit: "count", Before: 40, Since: 1310, Limit: 52, N: [2]int{5, 60}, Lasting: true,
			Text: "goroutines of payment-1: never below 1310 in 121 s since the lift, at most 40 before"},
		{Instance: "payment-2", Measure: "memory", Metric: "go.memory.gc.goal", Unit: "bytes", Before: 6.1e6, Since: 2.2e7, Limit: 1.3e7, N: [2]int{5, 58}, Reborn: true,
			Text: "the heap's goal of payment-2: never below 22.0 MB in 121 s since the lift, at most 6.1 MB before in any instance of payment"},
	}}
	for range 3 {
		r.Scars = append(r.Scars, slower())
	}
	return r
}

func failed() chaos.ExperimentResult {
	again := "bedlam run --engine process --seed 7 --rate 40 bank-slow"
	return chaos.ExperimentResult{Name: "bank-slow", Title: "The bank is slow, then cut off", Verdict: chaos.Fail,
		Injection: chaos.Injection{Status: "proven", Victims: []string{"payment-1->bank-1", "payment-2->bank-1"},
			Faults: []string{"latency {delay: {latency: 150ms, jitter: 50ms}} for 4s", "partition for 5s"}, Probe: "2 links answer after 435 ms; 2 links silent for 500 ms", Witnesses: 31},
		Recovery: chaos.Recovery{Status: "not-recovered", Lift: "2 links answer after 600 µs"},
		Baseline: chaos.Window{From: 3, To: 13}, Fault: chaos.Window{From: 28, To: 37.5}, After: chaos.Window{From: 38.5, To: 43},
		Stability: &chaos.Stability{Class: chaos.Metastable, Watched: 121, Goodput: of(0.1), Offered: of(1.01), Amplification: of(3.2),
			Headroom: &chaos.Headroom{Edge: "payment->bank", Capacity: 200, Usual: 110.4, Attempts: of(2.5), Needed: of(1.38)},
			Text:     "in the second minute after the fault goodput was 10 % of the baseline's, with 3.20 attempts for each first one, though nobody asked for more"},
		Restoration: scarred(),
		Rows:        rows([3]float64{1, 0.8125, 0.9}, chaos.Fail),
		Findings: []chaos.Finding{
			{Check: "hypothesis", Verdict: chaos.Fail, Site: "payment->bank", Mechanism: "timeout", Text: "p99 of checkout was 4.1 s, limit at most 2.5 s; checkout did not tolerate the loss of bank (payment->bank)", Trace: "4bf92f3577b34da6a3ce929d0e0e4736", Count: 31, Repeat: again},
			{Check: "captured-once", Verdict: chaos.Fail, Site: "payment", Mechanism: "idempotency", Text: "order o-17 was charged 2 times (and 3 more)", Trace: "deadbeefdeadbeefdeadbeefdeadbeef", Count: 4, Repeat: again},
		},
		Hops: []chaos.Hop{
			{Phase: "fault", Site: "payment->bank", Error: "DEADLINE_EXCEEDED", Count: 31, Example: "4bf92f3577b34da6a3ce929d0e0e4736"},
			{Phase: "after", Site: "checkout->payment", Error: "breaker open", Count: 7, Example: "0badcafe0badcafe0badcafe0badcafe"},
			{Site: "gateway->checkout", Error: strings.Repeat("a long error; ", 12), Count: 1, Example: "1badcafe0badcafe0badcafe0badcafe"},
			{Site: "gateway", Error: "shed", Count: 1, Example: "2badcafe0badcafe0badcafe0badcafe"},
		}}
}

func notLifted() chaos.ExperimentResult {
	return chaos.ExperimentResult{Name: "inventory-cut-off", Title: "Inventory is cut off", Verdict: chaos.Fail,
		Injection: chaos.Injection{Status: "proven", Victims: []string{"checkout-1->inventory-1"}, Faults: []string{"partition"}, Probe: "1 link silent for 500 ms", Witnesses: 12},
		Recovery:  chaos.Recovery{Status: "not-lifted", Lift: "the relay does not answer"},
		Baseline:  chaos.Window{From: 3, To: 13}, Fault: chaos.Window{From: 50, To: 58},
		Rows:     rows([3]float64{1, 0.5, 0.5}, chaos.Fail),
		Findings: []chaos.Finding{{Check: "lift", Verdict: chaos.Fail, Site: "checkout->inventory", Text: "the links could not be healed", Repeat: "bedlam heal"}}}
}

func unsupported() chaos.ExperimentResult {
	return chaos.ExperimentResult{Name: "catalog-packet-loss", Title: "Packets to the catalog are lost", Verdict: chaos.Inconclusive,
		Injection: chaos.Injection{Status: "unsupported", Victims: []string{"gateway-1->catalog-1"}, Faults: []string{"loss {percent: 30}"}, Probe: "the engine process has no power to drop packets"},
		Recovery:  chaos.Recovery{Status: "none"},
		Findings:  []chaos.Finding{{Check: "witnesses", Verdict: chaos.Inconclusive, Mechanism: "injection", Text: "nothing was harmed: the engine process has no power to drop packets"}}}
}

// unproven has no finding of its own: only the run's conditions speak.
func unproven() chaos.ExperimentResult {
	return chaos.ExperimentResult{Name: "shipping-paused", Title: "", Verdict: chaos.Inconclusive,
		Injection: chaos.Injection{Status: "unproven", Victims: []string{"shipping-1"}, Faults: []string{"stop"}, Probe: "shipping-1 is down"},
		Recovery:  chaos.Recovery{Status: "recovered", Seconds: of(12.5), Since: "injection", Lift: "shipping-1 runs"},
		Baseline:  chaos.Window{From: 3, To: 13}, Fault: chaos.Window{From: 62, To: 70}, After: chaos.Window{From: 71, To: 76},
		Stability:   &chaos.Stability{Class: chaos.SlowDrain, Watched: 14, Text: "goodput took 12.5s from the injection to come back"},
		Restoration: &chaos.Restoration{Untold: 86, Scars: []chaos.Scar{}},
		Rows:        rows([3]float64{1, 1, 1}, chaos.Inconclusive)}
}

// series is a run of n seconds that a formula made: waves of requests, trouble
// while the bank is slow, a hole in the latencies.
func series(n int) chaos.Series {
	var s chaos.Series
	for i := range n {
		due := 110 + int(20*math.Sin(float64(i)/3))
		bad, degraded, p99 := 0, 0, 0.05
		if i >= 28 && i < 38 {
			bad, p99 = 20, 4.1
		}
		if i >= 13 && i < 20 {
			degraded = 30
		}
		p50 := 0.003
		if i == 45 {
			p50, p99 = 0, 0
		}
		s.Intended = append(s.Intended, due)
		s.OK = append(s.OK, due-bad-degraded)
		s.Degraded = append(s.Degraded, degraded)
		s.Failed = append(s.Failed, bad*3/4)
		s.Unknown = append(s.Unknown, bad-bad*3/4)
		s.P50 = append(s.P50, p50)
		s.P99 = append(s.P99, p99)
	}
	s.Events = []chaos.Mark{
		{At: 13.3, Kind: "exited", Instance: "recommend-1", Text: "signal: killed"},
		{At: 13.4, Kind: "injected", Text: "recommend-down/1"},
		{At: 19.3, Kind: "lifted", Text: "recommend-down/1"},
		{At: 19.6, Kind: "ready", Instance: "recommend-1", Text: "start 2"},
		{At: 28, Kind: "injected", Text: "bank-slow/1"},
		{At: 32, Kind: "lifted", Text: "bank-slow/1"},
		{At: 32.1, Kind: "injected", Text: "bank-slow/2"},
		{At: 37.5, Kind: "lifted", Text: "bank-slow/2"},
		{At: 50, Kind: "injected", Text: "inventory-cut-off/1"},
		{At: 58, Kind: "lift-failed", Text: "inventory-cut-off/1: the relay does not answer"},
		{At: 62, Kind: "paused", Instance: "shipping-1"},
		{At: 70, Kind: "resumed", Instance: "shipping-1"},
	}
	return s
}

func spans() []chaos.WaterfallSpan {
	return []chaos.WaterfallSpan{
		{Depth: 0, Service: "loader", Instance: "loader-1", Name: "checkout", Seconds: 4.1},
		{Depth: 1, Service: "gateway", Instance: "gateway-1", Name: "POST /api/checkout", From: 0.001, Seconds: 4.09, Error: "DEADLINE_EXCEEDED"},
		{Depth: 2, Service: "checkout", Instance: "checkout-2", Name: "shop.checkout.v1.Checkout/Place", From: 0.002, Seconds: 4.05, Error: "DEADLINE_EXCEEDED"},
		{Depth: 3, Service: "payment", Instance: "payment-1", Name: "shop.payment.v1.Payment/Capture", From: 0.01, Seconds: 4, Error: "DEADLINE_EXCEEDED"},
		{Depth: 4, Service: "payment", Instance: "payment-1", Name: "shop.bank.v1.Bank/Charge", From: 0.011, Seconds: 3.9, Error: "DEADLINE_EXCEEDED", Fault: "bank-slow/2"},
		{Depth: 12, Service: "payment", Instance: "payment-1", Name: "INSERT", From: -0.002, Seconds: 0.0000015},
	}
}

// hostile is a result whose every text tries to be something else.
func hostile() chaos.Result {
	evil := "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{.}} \x00\x1b[31m]]>&amp; | `x` **b** [l](javascript:alert(1)) http://evil.example @all \u202ertl \xff " + strings.Repeat("endless", 60)
	r := everything()
	r.Engine, r.Suite, r.Run, r.Version, r.Commit = evil, evil, evil, evil, evil
	r.Machine.OS, r.Machine.Host, r.Machine.Kernel = evil, evil, evil
	r.Reasons = []string{evil, evil + ": " + evil}
	for i := range r.Experiments {
		e := &r.Experiments[i]
		e.Name, e.Title = evil, evil
		e.Injection = chaos.Injection{Status: evil, Victims: []string{evil}, Faults: []string{evil}, Probe: evil}
		e.Recovery = chaos.Recovery{Status: evil, Since: evil, Lift: evil}
		for j := range e.Rows {
			e.Rows[j].Metric, e.Rows[j].Class, e.Rows[j].Limit, e.Rows[j].Unit = evil, evil, evil, evil
		}
		e.Findings = []chaos.Finding{{Check: evil, Site: evil, Mechanism: evil, Text: evil, Trace: evil, Repeat: evil, Verdict: chaos.Fail}}
		e.Hops = []chaos.Hop{{Phase: evil, Site: evil, Error: evil, Example: evil, Count: -1}}
		e.Stability = &chaos.Stability{Class: evil, Text: evil, Headroom: &chaos.Headroom{Edge: evil}}
		e.Restoration = &chaos.Restoration{Scars: []chaos.Scar{{Instance: evil, Measure: evil, Metric: evil, Unit: evil, Text: evil}}}
	}
	r.Findings = r.Experiments[0].Findings
	for _, c := range []*chaos.Comparison{r.Comparison, r.Regression} {
		c.Of, c.Margin, c.Notes = evil, evil, []string{evil}
		for i := range c.Rows {
			c.Rows[i].Experiment, c.Rows[i].Text = evil, evil
		}
	}
	r.Stronger = evil
	for i := range r.Audit {
		r.Audit[i].Name, r.Audit[i].Title, r.Audit[i].Text = evil, evil, evil
	}
	for i := range r.Gates {
		r.Gates[i].Name, r.Gates[i].Text = evil, evil
	}
	for i := range r.Series.Events {
		r.Series.Events[i].Instance, r.Series.Events[i].Text = evil, evil
	}
	for i := range r.Traces {
		w := &r.Traces[i]
		w.Trace, w.Class, w.Outcome, w.Experiment = evil, evil, evil, evil
		for j := range w.Spans {
			w.Spans[j].Service, w.Spans[j].Instance, w.Spans[j].Name, w.Spans[j].Error, w.Spans[j].Fault = evil, evil, evil, evil, evil
		}
	}
	return r
}

// huge is a result of a long run: counts beyond any screen, hours of seconds,
// hundreds of experiments, traces without end.
func huge() chaos.Result {
	r := everything()
	r.Seconds = 36000
	r.Series = series(36000)
	for i := range r.Series.OK {
		r.Series.OK[i] = math.MaxInt32
		r.Series.Intended[i] = math.MaxInt32
	}
	r.Load.Requests, r.Load.Outcomes["ok"] = math.MaxInt64, math.MaxInt64
	for i := range 60 {
		e := passed()
		e.Name += strings.Repeat("x", i)
		e.Injection.Witnesses = math.MaxInt64
		e.Fault = chaos.Window{From: float64(100 * i), To: float64(100*i + 50)}
		e.After = chaos.Window{}
		r.Experiments = append(r.Experiments, e)
	}
	for range 2000 {
		r.Traces[0].Spans = append(r.Traces[0].Spans, spans()...)
		r.Reasons = append(r.Reasons, "one more of a great many reasons that a result may hold, each of them as long as this")
	}
	for range 5000 {
		r.Findings = append(r.Findings, r.Experiments[1].Findings...)
	}
	return r
}

// crooked is a result whose numbers make no sense.
func crooked() chaos.Result {
	r := everything()
	r.Seconds = math.Inf(1)
	r.Load.LagP99, r.Load.Achieved = math.NaN(), math.NaN()
	r.Experiments[0].Fault = chaos.Window{From: 20, To: 10}
	r.Experiments[1].Fault = chaos.Window{From: math.NaN(), To: math.NaN()}
	r.Experiments[2].Fault = chaos.Window{From: -5, To: math.Inf(1)}
	r.Experiments[4].Fault = chaos.Window{From: 1e9, To: 2e9}
	r.Experiments[0].Rows[0].Fault = of(math.NaN())
	r.Experiments[0].Rows[3].Fault = of(math.Inf(1))
	r.Experiments[0].Stability.Watched, r.Experiments[0].Stability.Headroom = math.NaN(), &chaos.Headroom{Edge: "a->b", Capacity: math.NaN(), Usual: math.Inf(1), Attempts: of(math.NaN()), Needed: of(math.Inf(1))}
	r.Experiments[1].Restoration.Watched, r.Experiments[1].Restoration.Scars[0].Since = math.NaN(), math.Inf(1)
	r.Experiments[1].Rows[len(r.Experiments[1].Rows)-1].Fault = of(math.NaN())
	r.Series.OK = r.Series.OK[:3]
	r.Series.P99[3], r.Series.P50[4], r.Series.P99[5] = math.NaN(), math.Inf(1), -1
	r.Series.Events = append(r.Series.Events, chaos.Mark{At: math.NaN(), Kind: "exited"}, chaos.Mark{At: -1e9, Kind: "injected", Text: "bank-slow/99"})
	r.Traces[0].Spans[1].From, r.Traces[0].Spans[2].Seconds = math.NaN(), math.Inf(1)
	r.Traces[0].Spans[3].Depth = -3
	return r
}

// results are all that every report must say without failing.
func results() map[string]chaos.Result {
	alone := everything()
	alone.Experiments = alone.Experiments[:1]
	unserved := everything()
	unserved.Series = chaos.Series{}
	return map[string]chaos.Result{"empty": {}, "everything": everything(), "one experiment": alone, "no series": unserved,
		"hostile": hostile(), "huge": huge(), "crooked": crooked()}
}
