package check

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/loadgen"
)

// series is the run second by second, by due time, as long as requests were due.
func series(m *meter) chaos.Series {
	n := 1
	for _, r := range m.requests {
		if due := r.Due.Seconds(); due <= m.stop {
			n = max(n, int(due)+1)
		}
	}
	s := chaos.Series{Intended: make([]int, n), OK: make([]int, n), Degraded: make([]int, n), Failed: make([]int, n),
		Unknown: make([]int, n), P50: make([]float64, n), P99: make([]float64, n), Events: []chaos.Mark{}}
	latencies := make([][]float64, n)
	for _, r := range m.requests {
		i := int(r.Due.Seconds())
		if r.Due < 0 || i >= n {
			continue
		}
		s.Intended[i]++
		switch r.Outcome {
		case loadgen.OK:
			s.OK[i]++
		case loadgen.Degraded:
			s.Degraded[i]++
		case loadgen.Failed:
			s.Failed[i]++
		default:
			s.Unknown[i]++
		}
		latencies[i] = append(latencies[i], r.Latency().Seconds())
	}
	for i, ls := range latencies {
		if len(ls) == 0 {
			continue
		}
		slices.Sort(ls)
		s.P50[i] = ls[(len(ls)-1)/2]
		s.P99[i] = ls[(len(ls)-1)*99/100]
	}
	for _, e := range m.rec.Journal {
		switch e.Kind {
		case chaos.Injected, chaos.Lifted, chaos.Aborted, chaos.LiftFailed, chaos.Interrupted:
			s.Events = append(s.Events, chaos.Mark{At: m.at(e.Time), Kind: string(e.Kind), Text: join(e.ID, e.Detail)})
		}
	}
	for _, e := range m.rec.Events {
		if at := m.at(e.Time); at <= m.stop && !e.Time.Before(m.start) {
			s.Events = append(s.Events, chaos.Mark{At: at, Kind: e.Kind, Instance: e.Instance, Text: e.Detail})
		}
	}
	slices.SortStableFunc(s.Events, func(a, b chaos.Mark) int { return cmp.Compare(a.At, b.At) })
	return s
}

func join(id, detail string) string {
	if detail == "" {
		return id
	}
	return fmt.Sprintf("%s: %s", id, detail)
}
