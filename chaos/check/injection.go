package check

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

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
	proven := 0
	var saw []string
	for _, e := range v.entries {
		switch e.Kind {
		case chaos.Proven:
			proven++
			saw = append(saw, e.Detail)
		case chaos.Unproven:
			in.Status = "unproven"
			saw = append(saw, "not proven: "+e.Detail)
		case chaos.Unsupported:
			in.Status, in.Probe = "unsupported", e.Detail
			return in
		}
	}
	in.Probe = strings.Join(saw, "; ")
	in.Witnesses = witnesses(v)
	if in.Status == "none" && proven > 0 {
		if in.Status = "proven"; proven < len(v.faults) || in.Witnesses == 0 {
			in.Status = "unproven"
		}
	}
	return in
}

// unproven is the finding about an injection that proves nothing.
func unproven(in chaos.Injection) []chaos.Finding {
	f := chaos.Finding{Check: "witnesses", Verdict: chaos.Inconclusive, Mechanism: "injection"}
	switch in.Status {
	case "proven":
		return nil
	case "unsupported":
		f.Text = "nothing was harmed: " + in.Probe
	case "none":
		f.Text = "the fault was never injected: the run ended before"
	default:
		switch {
		case strings.Contains(in.Probe, "not proven"):
			f.Text = in.Probe
		case in.Witnesses == 0:
			f.Text = "no request met the fault: the experiment says nothing about the shop"
		default:
			f.Text = "not every fault of the experiment was injected"
		}
	}
	return []chaos.Finding{f}
}

// A stretch is the time for which one fault was on.
type stretch struct {
	met      chaos.Witnessed
	from, to time.Time
}

// stretches returns when each fault was on, by ID.
func (v *view) stretches() map[string]stretch {
	on := map[string]stretch{}
	for _, f := range v.faults {
		w, ok := v.m.rec.Faults[f.ID].(chaos.Witnessed)
		if !ok {
			continue
		}
		s := stretch{met: w}
		for _, e := range v.entries {
			if e.ID != f.ID {
				continue
			}
			switch e.Kind {
			case chaos.Injecting:
				s.from = e.Time
			case chaos.Lifted, chaos.LiftProven:
				if s.to.IsZero() {
					s.to = e.Time
				}
			}
		}
		if s.to.IsZero() {
			s.to = v.m.moment(v.m.length())
		}
		if !s.from.IsZero() {
			on[f.ID] = s
		}
	}
	return on
}

// met returns the ID of the fault that a span met; empty: none.
func met(on map[string]stretch, s collector.Span) string {
	for id, f := range on {
		if s.Start.Before(f.to) && s.End.After(f.from) && f.met.Met(s) {
			return id
		}
	}
	return ""
}

// witnesses counts the requests whose traces met one of the faults.
func witnesses(v *view) int {
	on := v.stretches()
	if len(on) == 0 {
		return 0
	}
	seen := map[collector.TraceID]bool{}
	v.m.rec.Spans.Between(v.m.moment(v.fault.From), v.m.moment(v.fault.To), func(s collector.Span) bool {
		if met(on, s) != "" {
			seen[s.Trace] = true
		}
		return true
	})
	return len(seen)
}

// words says a fault with its arguments.
func words(r chaos.Resolved) string {
	text := r.Action
	var args bytes.Buffer
	if len(r.Args) > 0 && string(r.Args) != "null" && json.Compact(&args, r.Args) == nil {
		text += " " + strings.NewReplacer(`"`, "", ":", ": ", ",", ", ").Replace(args.String())
	}
	if r.Duration > 0 {
		text += fmt.Sprintf(" for %s", r.Duration)
	}
	return text
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
