package bedlam

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/topology"
)

// An Ablation says what the mechanisms of the edges that an experiment touches
// are worth to it: each run has one of them off.
type Ablation struct {
	Schema     string        `json:"schema"` // bedlam.ablation/1
	Experiment string        `json:"experiment"`
	Seed       uint64        `json:"seed"`
	Machine    chaos.Machine `json:"machine"`
	Started    time.Time     `json:"started"`
	Whole      [2]Bearing    `json:"whole"` // with everything on, before and after: what differs between them is chance
	Without    []Ablated     `json:"without"`
	Folder     string        `json:"-"`
}

// An Ablated is a run with one mechanism of one edge off.
type Ablated struct {
	Edge      string             `json:"edge"`
	Mechanism topology.Mechanism `json:"mechanism"`
	Bearing
}

// A Bearing is how a shop bore an experiment. A nil figure is one that the
// samples do not allow.
type Bearing struct {
	Verdict  chaos.Verdict `json:"verdict"`
	Goodput  *float64      `json:"goodput"`  // share, while the fault was on
	P90      *float64      `json:"p90"`      // seconds, while the fault was on
	Recovery *float64      `json:"recovery"` // seconds
	Harm     int           `json:"harm"`     // rows of the audit that violate an invariant
	Findings []string      `json:"findings,omitempty"`
}

// Ablate repeats one experiment with one mechanism of one edge off at a time, of
// the edges that its faults touch. Options are those of [Run]; Words name one
// experiment, and Out is the folder of all runs.
func Ablate(ctx context.Context, o Options) (Ablation, error) {
	o, err := o.withDefaults()
	if err != nil {
		return Ablation{}, err
	}
	if o.System != "" {
		return Ablation{}, usage("the policies of a system of your own are its own: --ablate is for an engine's")
	}
	t := o.topology()
	es, schedule, err := plan(o, t)
	if err != nil {
		return Ablation{}, err
	}
	if len(es) != 1 {
		return Ablation{}, usage("--ablate takes one experiment, and %s are %d", strings.Join(o.Words, " "), len(es))
	}
	edges := touched(schedule.Experiments[0], t)
	if len(edges) == 0 {
		return Ablation{}, usage("%s touches no edge with a mechanism that could be off", es[0].Name)
	}
	began := time.Now()
	a := Ablation{Schema: "bedlam.ablation/1", Experiment: es[0].Name, Seed: o.Seed, Machine: Machine(), Started: began.UTC()}
	if a.Folder, err = runFolder(o.Out, began, "ablate-"+es[0].Name); err != nil {
		return Ablation{}, err
	}
	run := func(name string, without *lacking) (Bearing, error) {
		c := o
		c.Out, c.without = filepath.Join(a.Folder, name), without
		out, err := Run(ctx, c)
		if err != nil {
			return Bearing{}, err
		}
		return bearing(out.Result), nil
	}
	if a.Whole[0], err = run("whole-1", nil); err != nil {
		return a, err
	}
	for _, e := range edges {
		for _, m := range e.Policy.Mechanisms() {
			b, err := run(fmt.Sprintf("%s-%s-without-%s", e.From, e.To, m), &lacking{e.Name(), m})
			if err != nil {
				return a, err
			}
			a.Without = append(a.Without, Ablated{e.Name(), m, b})
		}
	}
	if a.Whole[1], err = run("whole-2", nil); err != nil {
		return a, err
	}
	return a, writeJSON(a.Folder, "ablation.json", a)
}

// A lacking names the mechanism that a run has off.
type lacking struct {
	edge      string
	mechanism topology.Mechanism
}

// touched returns the edges that have mechanisms and on which faults are felt
// first: those that are harmed, those that lead to what is harmed, and those
// that lead to the users of a store that is harmed.
func touched(e chaos.ScheduledExperiment, t topology.System) []topology.Edge {
	service := map[string]string{topology.Loader + "-1": topology.Loader}
	for _, in := range t.Instances() {
		service[in.Name] = in.Service
	}
	harmed, into := map[string]bool{}, map[string]bool{}
	for _, r := range e.Faults {
		for _, l := range r.Links {
			harmed[service[l.From]+"->"+service[l.To]] = true
		}
		for _, name := range r.Instances {
			into[service[name]] = true
		}
	}
	for _, s := range t.Services {
		if s.Store != "" && into[s.Store] {
			into[s.Name] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(t.Edges), func(x topology.Edge) bool {
		return x.Protocol != topology.GRPC || len(x.Policy.Mechanisms()) == 0 || !harmed[x.Name()] && !into[x.To]
	})
}

// bearing reads the figures of a run of one experiment.
func bearing(res chaos.Result) Bearing {
	b := Bearing{Verdict: res.Verdict}
	for _, l := range res.Audit {
		b.Harm += l.Violations
	}
	of := func(fs []chaos.Finding) {
		for _, f := range fs {
			if f.Verdict == chaos.Fail {
				b.Findings = append(b.Findings, f.Check+" at "+f.Site)
			}
		}
	}
	of(res.Findings)
	for _, e := range res.Experiments {
		of(e.Findings)
		b.Recovery = e.Recovery.Seconds
		for _, r := range e.Rows {
			switch {
			case r.Class != "":
			case r.Metric == "goodput":
				b.Goodput = r.Fault
			case r.Metric == "p90":
				b.P90 = r.Fault
			}
		}
	}
	slices.Sort(b.Findings)
	b.Findings = slices.Compact(b.Findings)
	return b
}
