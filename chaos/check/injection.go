package check

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/observability/collector"
)

// injection says whether the faults were really there: the journal has what
// the runner's probe saw, the spans have which requests met them.
func injection(v *view) chaos.Injection {
	in := chaos.Injection{Status: "none", Victims: []string{}, Faults: []string{}}
	for _, f := range v.faults {
		in.Victims = append(in.Victims, f.Instances...)
		for _, l := range f.Links {
			in.Victims = append(in.Victims, l.String())
		}
		in.Faults = append(in.Faults, words(f))
	}
	in.Victims = unique(in.Victims)
	if detail, ok := v.has(chaos.Unsupported); ok {
		in.Status, in.Probe = "unsupported", detail
		return in
	}
	byFault, all := witnesses(v)
	in.Witnesses = all
	// Where no service sends traces there is no second witness to be asked: the
	// probe decides, and it is said.
	alone := v.m.rec.Plan.Lacks["traces"]
	proven, begun := 0, 0
	var saw []string
	for _, f := range v.faults {
		if _, ok := v.last(f.ID, chaos.Injecting, chaos.Injected); ok {
			begun++
		}
		e, ok := v.last(f.ID, chaos.Proven, chaos.Unproven)
		switch {
		case !ok:
			continue
		case e.Kind == chaos.Unproven:
			saw = append(saw, notProven+e.Detail)
			continue
		}
		proven++
		if len(v.faults) > 1 {
			e.Detail += fmt.Sprintf(" (met by %d)", byFault[f.ID])
		}
		saw = append(saw, e.Detail)
	}
	if alone != "" && in.Witnesses == 0 && proven > 0 {
		saw = append(saw, "by this probe alone ("+noData("traces", alone)+")")
	}
	in.Probe = strings.Join(saw, "; ")
	switch {
	case begun == 0:
	case len(v.faults) > 0 && proven == len(v.faults) && (len(unmet(v, byFault)) == 0 || alone != ""):
		in.Status = "proven"
	default:
		in.Status = "unproven"
	}
	return in
}

// unmet returns the IDs of the faults that no request met, those that no
// request can show by its trace left aside. One fault's witnesses say nothing
// of another's.
func unmet(v *view, byFault map[string]int) []string {
	var ids []string
	for _, f := range v.faults {
		if _, ok := v.m.rec.Faults[f.ID].(chaos.Witnessed); (ok || len(v.faults) == 1) && byFault[f.ID] == 0 {
			ids = append(ids, f.ID)
		}
	}
	return ids
}

// notProven begins what the probe saw in place of the fault.
const notProven = "not proven: "

// witnessed: the fault was really there.
var witnessed = experimentCheck{
	Check: Check{"witnesses", "every fault is seen by a probe, and at least one request met each, where the services send traces"},
	on:    onRecord,
	judge: func(v *view) []chaos.Finding {
		in := v.injection
		f := chaos.Finding{Verdict: chaos.Inconclusive, Mechanism: "injection"}
		byFault, _ := witnesses(v)
		_, any := v.has(chaos.Proven)
		switch {
		case in.Status == "proven", v.m.rec.Plan.Control:
			return nil
		case in.Status == "unsupported":
			f.Text = "nothing was harmed: " + in.Probe
		case in.Status == "none":
			f.Text = "the fault was never injected: the run ended before"
		case strings.Contains(in.Probe, notProven):
			f.Text = in.Probe
		case !any:
			f.Text = "the experiment ended before its fault was seen"
		case in.Witnesses == 0:
			f.Text = "no request met the fault: the experiment says nothing about the shop"
		case len(unmet(v, byFault)) > 0:
			f.Text = "no request met " + strings.Join(unmet(v, byFault), ", ") + ": what the experiment says of it, it says of the other faults"
		default:
			f.Text = "not every fault of the experiment was injected and seen"
		}
		return []chaos.Finding{f}
	},
}

// stretches returns when each fault was on, in the schedule's order.
func (v *view) stretches() []stretch {
	var on []stretch
	for _, f := range v.faults {
		if w, ok := v.m.rec.Faults[f.ID].(chaos.Witnessed); ok {
			if s, ok := stretchOf(f.ID, w, v.entries, v.m.moment(v.m.end)); ok {
				on = append(on, s)
			}
		}
	}
	return on
}

// met returns the ID of the fault that a span met; empty: none.
func met(on []stretch, s collector.Span) string {
	for _, f := range on {
		if f.holds(s) {
			return f.id
		}
	}
	return ""
}

// witnesses counts the requests whose traces met each of the faults, and any.
func witnesses(v *view) (byFault map[string]int, all int) {
	on := v.stretches()
	if len(on) == 0 || v.m.rec.Spans == nil {
		return nil, 0
	}
	byFault = map[string]int{}
	any := map[collector.TraceID]bool{}
	for _, f := range on {
		met := f.traces(v.m.rec.Spans)
		byFault[f.id] = len(met)
		maps.Copy(any, met)
	}
	return byFault, len(any)
}

// words says a fault with its arguments.
func words(r chaos.Resolved) string {
	text := r.Action
	var args any
	if len(r.Args) > 0 && json.Unmarshal(r.Args, &args) == nil {
		if leaves := flat("", args); len(leaves) > 0 {
			text += " (" + strings.Join(leaves, ", ") + ")"
		}
	}
	if r.Duration > 0 {
		text += fmt.Sprintf(" for %s", r.Duration)
	}
	return text
}

// flat says the leaves of a value, each with its own key; a switch that is on
// is its key alone.
func flat(key string, v any) []string {
	switch v := v.(type) {
	case nil:
		return nil
	case bool:
		if v {
			return []string{key}
		}
		return []string{"no " + key}
	case map[string]any:
		var all []string
		for _, k := range slices.Sorted(maps.Keys(v)) {
			all = append(all, flat(k, v[k])...)
		}
		return all
	}
	return []string{strings.TrimSpace(fmt.Sprintf("%s %v", key, v))}
}

func unique(names []string) []string {
	out := []string{}
	seen := map[string]bool{}
	for _, n := range names {
		if !seen[n] {
			out = append(out, n)
			seen[n] = true
		}
	}
	return out
}
