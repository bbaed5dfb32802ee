package check

import (
	"fmt"
	"slices"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
)

// scars: a fault leaves nothing behind in the processes.
var scars = experimentCheck{
	Check: Check{"scars", "once the fault is gone, processes hold no more memory, goroutines, descriptors or queued work than before"},
	judge: func(v *view) []chaos.Finding {
		r := v.restoration()
		if r == nil {
			return nil
		}
		var fs []chaos.Finding
		for _, s := range r.Scars {
			if !s.Lasting {
				continue // it is told, and accuses nobody
			}
			site := serviceOf(s.Instance)
			i := slices.IndexFunc(fs, func(f chaos.Finding) bool { return f.Site == site && f.Mechanism == s.Measure })
			if i < 0 {
				i = len(fs)
				fs = append(fs, chaos.Finding{Verdict: chaos.Fail, Site: site, Mechanism: s.Measure, Text: s.Text})
			}
			fs[i].Count++
		}
		return fs
	},
}

// scarred is how many measures did not come back, of those that could be told.
func (v *view) scarred() reading {
	r := v.restoration()
	if r == nil || r.Told() == 0 {
		return reading{}
	}
	n := float64(len(r.Scars))
	return reading{&n, r.Told()}
}

// inFull names a measure, and what of a queue is meant.
func inFull(m measure) string {
	switch m.gauge {
	case heapGoal:
		return "the heap's goal"
	case servingHTTP, servingRPC:
		return "requests in flight"
	case poolUsed:
		return "connections in use"
	case poolWaits:
		return "requests that wait for a connection"
	case outboxBacklog:
		return "events in the outbox"
	}
	return m.name
}

// amount prints a figure in its unit.
func amount(x float64, unit string) string {
	switch unit {
	case "bytes":
		return fmt.Sprintf("%.1f MB", x/1e6)
	case "s":
		return time.Duration(x * float64(time.Second)).Round(time.Millisecond).String()
	}
	return fmt.Sprintf("%.0f", x)
}
