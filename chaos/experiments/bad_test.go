package experiments_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/experiments"
	"github.com/bedlamlab/bedlam/chaos/fault"
	"github.com/bedlamlab/bedlam/services"
	"github.com/bedlamlab/bedlam/topology"
)

// good is an experiment with a line for everything, so that each bad one is it
// with one line changed.
const good = `title: T
description: D
tags: [mine]
steady-state-hypothesis:
  title: H
  probes:
    - {name: goodput, arguments: {phase: after, class: checkout}, tolerance: [0.9, 1]}
    - {name: amplification, arguments: {edge: payment->bank}, tolerance: [1, 2]}
method:
  - {name: N, action: latency, selector: {services: [payment]}, target: {services: [bank]}, mode: fixed, value: 1,
     direction: from, at: 1s, duration: 2s, share: 100, delay: {latency: 300ms}}
  - {action: kill, selector: {instances: [payment-1], zones: [a]}, hold: true}
rollbacks: []
abort: 0.5
`

func TestGood(t *testing.T) {
	e, err := experiments.Parse("some/dir/mine.v2.yaml", []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if e.Name != "mine.v2" || e.Title != "T" || e.Description != "D" || e.Abort != 0.5 || len(e.Method) != 2 || len(e.Hypothesis.Limits) != 2 {
		t.Errorf("got %+v", e)
	}
	s := e.Method[0]
	if s.Action != "latency" || s.Mode != chaos.Fixed || s.Value != 1 || s.Direction != "from" || s.At != topology.Duration(1e9) || s.Duration != topology.Duration(2e9) || s.Share != 100 || string(s.Args) != `{"delay":{"latency":"300ms"}}` {
		t.Errorf("got %+v, %s", s, s.Args)
	}
	if k := e.Method[1]; k.Mode != chaos.One || k.Share != 50 || k.Target != nil || string(k.Args) != `{"hold":true}` {
		t.Errorf("got %+v, %s; want one of at most half", k, k.Args)
	}
	if l := e.Hypothesis.Limits[0]; l != (chaos.Limit{Metric: "goodput", Phase: "after", Class: "checkout", Min: 0.9, Max: 1}) {
		t.Errorf("got %+v", l)
	}
	if l := e.Hypothesis.Limits[1]; l.Phase != "fault" || l.Edge != "payment->bank" {
		t.Errorf("got %+v", l)
	}
	if err := experiments.Fit(e, services.Shop()); err != nil {
		t.Error(err)
	}
}

// A watch begins when a trigger has gone, and lasts from ten seconds to ten minutes.
func TestWatch(t *testing.T) {
	with := func(lines string) string { return strings.Replace(good, "abort: 0.5\n", lines, 1) }
	e, err := experiments.Parse("mine.yaml", []byte(with("watch: 2m\n")))
	if err != nil || e.Watch != topology.Duration(120e9) {
		t.Fatalf("watch %v, %v", e.Watch, err)
	}
	b, err := experiments.Format(e)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := experiments.Parse("mine.yaml", b); err != nil || again.Watch != e.Watch {
		t.Errorf("read back: watch %v, %v", again.Watch, err)
	}
	if err := experiments.Fit(e, services.Shop()); err != nil {
		t.Error(err)
	}
	e.Method = e.Method[1:] // what lasts is no trigger
	if err := experiments.Fit(e, services.Shop()); err == nil || !strings.Contains(err.Error(), "give a step a duration") {
		t.Errorf("without a trigger: %v", err)
	}
	for _, limit := range []string{"10s", "10m"} {
		if _, err := experiments.Parse("mine.yaml", []byte(with("watch: "+limit+"\n"))); err != nil {
			t.Error(err)
		}
	}
	for lines, want := range map[string]string{
		"watch: 9s\n":              "watch is 9s, want 10s to 10m0s",
		"watch: 11m\n":             "want 10s to 10m0s",
		"watch: -1s\n":             "want 10s to 10m0s",
		"watch: soon\n":            "mine.yaml:14",
		"watch: 1m\nabort: 0.5\n":  "leave one of them out",
		"watch: 1m\nwatch: 120s\n": "stands twice",
		"watch: {for: 120s}\n":     "mine.yaml:14",
	} {
		if _, err := experiments.Parse("mine.yaml", []byte(with(lines))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", lines, err, want)
		}
	}
}

func TestBad(t *testing.T) {
	var faults []string
	for _, k := range fault.Kinds() {
		faults = append(faults, k.Name)
	}
	for _, c := range []struct{ name, old, new, want string }{
		{"a misspelt key", "abort: 0.5", "aborts: 0.5", `x.yaml:14: unknown key "aborts" in an experiment (want abort, description, method, rollbacks, steady-state-hypothesis, tags, title, watch)`},
		{"a key twice", "abort: 0.5", "abort: 0.5\nabort: 0.6", `x.yaml:15: key "abort" stands twice in an experiment`},
		{"a misspelt key of the hypothesis", "  title: H", "  titel: H", `x.yaml:5: unknown key "titel" in steady-state-hypothesis (want margins, probes, title)`},
		{"a misspelt key of a probe", "tolerance: [0.9, 1]", "tolerances: [0.9, 1]", `x.yaml:7: unknown key "tolerances" in a probe (want arguments, name, tolerance)`},
		{"a misspelt argument of a probe", "phase: after", "fase: after", `x.yaml:7: unknown key "fase" in a probe's arguments (want class, edge, phase)`},
		{"a misspelt key of a selector", "zones: [a]", "zone: [a]", `x.yaml:12: unknown key "zone" in a selector (want instances, services, tiers, zones)`},
		{"a misspelt parameter", "hold: true", "holt: true", `x.yaml:12: kill: unknown field "holt"`},
		{"a misspelt parameter inside", "{latency: 300ms}", "{latncy: 300ms}", `x.yaml:11: latency: unknown field "latncy"`},
		{"an unknown fault", "action: kill", "action: explode", `x.yaml:12: unknown fault "explode" (want one of ` + strings.Join(faults, ", ") + `)`},
		{"a misspelt parameter of another end", "action: kill, selector: {instances: [payment-1], zones: [a]}, hold: true", "action: oom, selector: {instances: [payment-1], zones: [a]}, memory: 1", `x.yaml:12: oom: unknown field "memory"`},
		{"an unknown probe", "name: goodput", "name: happiness", `x.yaml:7: unknown probe "happiness" (want one of goodput, failed, degraded, lost, p50, p90, p99, p99.9, amplification, traffic, recovery)`},
		{"an unknown phase", "phase: after", "phase: later", `x.yaml:7: unknown phase "later" (want baseline, fault or after)`},
		{"an unknown class", "class: checkout", "class: wish", `x.yaml:7: unknown class "wish" (want one of home, product, cart-add, cart-read, checkout, order)`},
		{"an edge where none is looked at", "class: checkout", "edge: a->b", `x.yaml:7: goodput is no metric of an edge: only amplification and traffic take one`},
		{"a class where none is looked at", "edge: payment->bank", "class: checkout", `x.yaml:8: amplification takes no class`},
		{"a phase where none is looked at", "name: goodput, arguments: {phase: after, class: checkout}", "name: recovery, arguments: {phase: after}", `x.yaml:7: recovery takes no phase: it has a time of its own`},
		{"one bound", "[0.9, 1]", "[0.9]", `x.yaml:7: tolerance must be [least, most], both included and finite`},
		{"bounds the wrong way round", "[0.9, 1]", "[1, 0.9]", `x.yaml:7: tolerance must be [least, most], both included and finite`},
		{"a bound that is none", "[0.9, 1]", "[.nan, 1]", `x.yaml:7: tolerance must be [least, most], both included and finite`},
		{"a bound without end", "[0.9, 1]", "[0.9, .inf]", `x.yaml:7: tolerance must be [least, most], both included and finite`},
		{"bounds in words", "[0.9, 1]", "[most, all]", "x.yaml:7: cannot unmarshal !!str `most` into float64"},
		{"a bad duration", "duration: 2s", "duration: soon", `x.yaml:11: time: invalid duration "soon"`},
		{"a duration without a unit", "duration: 2s", "duration: 2", `x.yaml:11: time: missing unit in duration "2"`},
		{"a negative time", "at: 1s", "at: -1s", `x.yaml:10: at and duration cannot be negative`},
		{"a negative duration", "duration: 2s", "duration: -2s", `x.yaml:10: at and duration cannot be negative`},
		{"hours", "duration: 2s", "duration: 60m", `x.yaml:10: the step ends after 1h0m1s, the longest is 1h`},
		{"a share of nothing", "share: 100", "share: 0", `x.yaml:10: share is 0, want percent from 1 to 100`},
		{"a share of more than all", "share: 100", "share: 101", `x.yaml:10: share is 101, want percent from 1 to 100`},
		{"an unknown mode", "mode: fixed", "mode: some", `x.yaml:10: unknown mode "some" (want one, all, fixed or fixed-percent)`},
		{"a mode that takes no value", "mode: fixed", "mode: all", `x.yaml:10: mode all takes no value`},
		{"a mode that needs a value", "value: 1,", "", `x.yaml:10: mode fixed needs a value of at least 1`},
		{"more than a hundred percent", "mode: fixed, value: 1", "mode: fixed-percent, value: 101", `x.yaml:10: mode fixed-percent needs a value from 1 to 100`},
		{"an unknown direction", "direction: from", "direction: up", `x.yaml:10: latency: unknown direction "up" (want to, from or both)`},
		{"a direction of an instance", "hold: true", "direction: to", `x.yaml:12: kill harms instances: it takes no direction`},
		{"a target of an instance", "hold: true", "target: {services: [bank]}", `x.yaml:12: kill harms instances: it takes a selector and no target`},
		{"an edge without a target", "target: {services: [bank]}, ", "", `x.yaml:10: latency harms edges: it needs a target (the callees) beside its selector (the callers)`},
		{"no selector", "selector: {instances: [payment-1], zones: [a]}, ", "", `x.yaml:12: kill has no selector: nothing is harmed unless it is named`},
		{"an empty selector", "{instances: [payment-1], zones: [a]}", "{}", `x.yaml:12: an empty selector would harm everything: name services, instances, zones or tiers`},
		{"an empty list of services", "{services: [bank]}", "{services: []}", `x.yaml:10: an empty selector would harm everything: name services, instances, zones or tiers`},
		{"no action", "action: kill, ", "", `x.yaml:12: the step has no action`},
		{"no title", "title: T\n", "", `x.yaml:1: the experiment has no title`},
		{"no probes", "  probes:", "  probes: []\ndescription2:", `x.yaml:7: unknown key "description2" in an experiment (want abort, description, method, rollbacks, steady-state-hypothesis, tags, title, watch)`},
		{"an abort limit of all", "abort: 0.5", "abort: 1", `x.yaml:1: abort is 1, want a share from 0 to less than 1`},
		{"an abort limit that is none", "abort: 0.5", "abort: .nan", `x.yaml:1: abort is NaN, want a share from 0 to less than 1`},
		{"an abort limit in words", "abort: 0.5", "abort: half", "x.yaml:14: cannot unmarshal !!str `half` into float64"},
		{"rollbacks", "rollbacks: []", "rollbacks: [{action: heal}]", `x.yaml:13: rollbacks are not written down here: every fault is lifted, always; leave the list empty`},
		{"an alias", "description: D\ntags: [mine]", "description: &d D\ntags: [*d]", `x.yaml:1: anchors and aliases are not read here`},
		{"two documents", "abort: 0.5", "abort: 0.5\n---\ntitle: U", `x.yaml: holds more than one document`},
		{"a method that is no list", "rollbacks: []\nabort: 0.5", "abort: 0.5\nmethod2: 1", `x.yaml:14: unknown key "method2" in an experiment (want abort, description, method, rollbacks, steady-state-hypothesis, tags, title, watch)`},
		{"parameters that JSON cannot hold", "hold: true", "hold: .inf", `x.yaml:12: parameters: json: unsupported value: +Inf`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if strings.Count(good, c.old) == 0 {
				t.Fatalf("the good experiment has no %q", c.old)
			}
			_, err := experiments.Parse("x.yaml", []byte(strings.Replace(good, c.old, c.new, 1)))
			if err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestBadWhole(t *testing.T) {
	for text, want := range map[string]string{
		"":                        `x.yaml: the file holds no experiment`,
		"# nothing\n":             `x.yaml: the file holds no experiment`,
		"---\n":                   `x.yaml:2: an experiment must be a mapping of keys to values`,
		"[]":                      `x.yaml:1: an experiment must be a mapping of keys to values`,
		"title: T\n":              `x.yaml:1: the experiment has no method: nothing would be harmed`,
		"title: T\nmethod: {}\n":  `x.yaml:2: method must be a list`,
		"title: T\nmethod: [7]\n": `x.yaml:2: a step must be a mapping of keys to values`,
		"a\x00b":                  `x.yaml: not a text file`,
		"title: \xff":             `x.yaml: not a text file`,
		"title: T\n  x: [\n":      `x.yaml: line 2: mapping values are not allowed in this context`,
		"title: T\nmethod: [{action: kill, selector: {services: [bank]}}]\n": `x.yaml:1: the experiment has no steady-state-hypothesis with probes: nothing could be judged`,
	} {
		if _, err := experiments.Parse("x.yaml", []byte(text)); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

// Steps that are on at the same time are bounded together, whatever the seed.
func TestBounded(t *testing.T) {
	const head = "title: T\nsteady-state-hypothesis: {title: H, probes: [{name: goodput, tolerance: [0, 1]}]}\nmethod:\n"
	over := func(step int, action string, n, of int, service string, share int) string {
		return fmt.Sprintf("x: step %d (%s) and those that are on at the same time would harm %d of %d replicas of %s, more than the share of %d %% that it states", step, action, n, of, service, share)
	}
	for _, c := range []struct {
		why   string
		steps []string
		want  string // empty: it fits
	}{
		{"each half, together all", []string{"kill, selector: {instances: [catalog-1]}", "pause, selector: {instances: [catalog-2]}"}, over(1, "kill", 2, 2, "catalog", 50)},
		{"whoever it is, with some seed", []string{"cpu_hog, selector: {services: [catalog]}, workers: 1", "clock_skew, selector: {services: [catalog]}, skew: 1h"}, over(1, "cpu_hog", 2, 2, "catalog", 50)},
		{"callers are victims", []string{"partition, selector: {zones: [a], tiers: [web]}, target: {services: [cart]}", "partition, selector: {zones: [b], tiers: [web]}, target: {services: [cart]}"}, over(1, "partition", 2, 2, "gateway", 50)},
		{"one after the other", []string{"kill, selector: {instances: [catalog-1]}, duration: 2s", "pause, selector: {instances: [catalog-2]}, at: 2s"}, ""},
		{"the same one", []string{"cpu_hog, selector: {instances: [catalog-1]}, workers: 1", "clock_skew, selector: {instances: [catalog-1]}, skew: 1h"}, ""},
		{"of two services", []string{"kill, selector: {services: [catalog]}", "kill, selector: {services: [cart]}"}, ""},
		{"both say so", []string{"kill, selector: {instances: [catalog-1]}, share: 100", "pause, selector: {instances: [catalog-2]}, share: 100"}, ""},
		{"half within what may be all", []string{"latency, selector: {services: [payment]}, target: {services: [bank]}, mode: all, share: 100, delay: {latency: 1s}", "kill, selector: {services: [payment]}"}, ""},
		{"that one may does not let the others", []string{"latency, selector: {services: [payment]}, target: {services: [bank]}, mode: all, share: 100, delay: {latency: 1s}",
			"kill, selector: {instances: [payment-1]}", "pause, selector: {instances: [payment-2]}, at: 1s"}, over(2, "kill", 2, 2, "payment", 50)},
		{"eight at once", locks(8, 0), ""},
		{"nine at once", locks(9, 0), "x: step 1 (lock_table) would be on with 8 others: at most 8 may be on at the same time"},
		{"nine, one after the other", locks(9, 1), ""},
	} {
		t.Run(c.why, func(t *testing.T) {
			e, err := experiments.Parse("x.yaml", []byte(head+"  - {action: "+strings.Join(c.steps, "}\n  - {action: ")+"}\n"))
			if err != nil {
				t.Fatal(err)
			}
			err = experiments.Fit(e, services.Shop())
			if c.want == "" && err != nil || c.want != "" && (err == nil || err.Error() != c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

// locks are steps that each lock another table, a second apart or all at once.
func locks(n, apart int) (steps []string) {
	for i := range n {
		steps = append(steps, fmt.Sprintf("lock_table, selector: {services: [postgres]}, share: 100, table: cart.t%d, at: %ds, duration: 1s", i, i*apart))
	}
	return steps
}

func TestFit(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"services: [payment]", "services: [paiment]", `step 1 (latency): shop has no service called "paiment"`},
		{"instances: [payment-1]", "instances: [payment-9]", `step 2 (kill): shop has no instance called "payment-9"`},
		{"zones: [a]", "zones: [c]", `step 2 (kill): shop has no zone called "c"`},
		{"zones: [a]", "zones: [b]", `step 2 (kill): the selector matches no instance`},
		{"target: {services: [bank]}", "target: {services: [gateway]}", `step 1 (latency): no edge leads from its selector to its target`},
		{"instances: [payment-1], zones: [a]", "services: [loader]", `step 2 (kill): the load generator is the witness, not a victim: name services`},
		{"instances: [payment-1], zones: [a]}, hold: true}", "services: [payment]}}\n  - {action: pause, selector: {zones: [b]}, at: 9s}",
			"steps 2 and 3 are on at the same time: kill and pause would both harm payment-2: they could not be told apart"},
		{"- {action: kill, selector: {instances: [payment-1], zones: [a]}, hold: true}", "- {action: partition, selector: {zones: [b]}, target: {services: [bank]}, at: 2s}",
			"steps 1 and 2 are on at the same time: latency and partition would both harm the link payment-2->bank-1: they could not be told apart"},
		{"kill, selector: {instances: [payment-1], zones: [a]}, hold: true}", "exhaust_connections, selector: {services: [payment]}}", `step 2 (exhaust_connections): payment-1 is no PostgreSQL server: it speaks grpc`},
		{"kill, selector: {instances: [payment-1], zones: [a]}, hold: true}", "lock_table, selector: {services: [postgres]}, table: bank.calls}", `step 2 (lock_table): bank keeps no data in postgres-1 (want one of catalog, cart, inventory, payment, checkout, orders, shipping)`},
		{"kill, selector: {instances: [payment-1], zones: [a]}, hold: true}", "terminate_backends, selector: {services: [bankdb]}, of: [bank, cart]}", `step 2 (terminate_backends): cart keeps no data in bankdb-1 (want one of bank)`},
		{"zones: [a]", "tiers: [attic]", `step 2 (kill): shop has no tier called "attic"`},
		{"zones: [a]", "tiers: [web]", `step 2 (kill): the selector matches no instance`},
		{"edge: payment->bank", "edge: bank->payment", `the hypothesis limits amplification of edge bank->payment, which shop has not got`},
	} {
		e, err := experiments.Parse("x.yaml", []byte(strings.Replace(good, c.old, c.new, 1)))
		if err != nil {
			t.Fatal(err)
		}
		if err := experiments.Fit(e, services.Shop()); err == nil || err.Error() != "x: "+c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}
