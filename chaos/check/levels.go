package check

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/stats"
)

// A holding is what one instance held of one thing, reading by reading.
type holding struct {
	service, instance, metric string
	readings                  []held // by time
}

// held is one reading.
type held struct {
	at    float64 // seconds of the run
	life  int64   // which of the instance's lives; 0: not told
	value float64
}

// A gauge is what is read of processes under one name.
type gauge struct {
	metric string
	where  [2]string // an attribute and its value, if only the series with it count
}

// holdings returns what the instances held of it, one holding for each. Series
// that differ in other attributes add up.
func (m *meter) holdings(g gauge) []holding {
	if hs, ok := m.held[g]; ok || m.rec.Levels == nil {
		return hs
	}
	type key struct{ service, instance string }
	sums := map[key]map[time.Time]held{}
	for _, l := range m.rec.Levels.Levels(g.metric) {
		if g.where[0] != "" && l.Attrs[g.where[0]] != g.where[1] {
			continue
		}
		k := key{l.Service, l.Instance}
		if sums[k] == nil {
			sums[k] = map[time.Time]held{}
		}
		for _, p := range l.Points {
			if p.Time.Before(m.start) || finite(p.Value) != p.Value {
				continue // from before the run, or no figure
			}
			x := sums[k][p.Time]
			x.at, x.value = m.at(p.Time), x.value+p.Value
			if !p.Since.IsZero() {
				x.life = p.Since.UnixNano()
			}
			sums[k][p.Time] = x
		}
	}
	hs := []holding{}
	for k, at := range sums {
		h := holding{service: k.service, instance: k.instance, metric: g.metric}
		for _, x := range at {
			if finite(x.value) == x.value {
				h.readings = append(h.readings, x)
			}
		}
		slices.SortFunc(h.readings, func(a, b held) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.life, b.life)) })
		hs = append(hs, h)
	}
	slices.SortFunc(hs, func(a, b holding) int {
		return cmp.Or(strings.Compare(a.service, b.service), strings.Compare(a.instance, b.instance))
	})
	m.held[g] = hs
	return hs
}

// in returns the readings of some windows.
func (h holding) in(ws ...chaos.Window) []held {
	var out []held
	for _, x := range h.readings {
		if slices.ContainsFunc(ws, func(w chaos.Window) bool { return x.at >= w.From && x.at < w.To }) {
			out = append(out, x)
		}
	}
	return out
}

// lowest and highest of some readings; without any, they are infinite.
func lowest(xs []held) float64 {
	least := math.Inf(1)
	for _, x := range xs {
		least = min(least, x.value)
	}
	return least
}

func highest(xs []held) float64 {
	most := math.Inf(-1)
	for _, x := range xs {
		most = max(most, x.value)
	}
	return most
}

// shown are the gauges whose readings make a row of [chaos.Holdings].
var shown = map[string][]gauge{
	"memory":      {{metric: "go.memory.used"}},
	"goroutines":  {goroutines},
	"descriptors": {descriptors},
	"queues":      {servingHTTP, servingRPC, poolUsed, poolWaits, outboxBacklog},
}

// holdingRows are the rows of what all processes held together.
func holdingRows(v *view) []chaos.Row {
	var out []chaos.Row
	for _, m := range chaos.Holdings {
		r := chaos.Row{Metric: m.Name, Unit: m.Unit}
		for i, w := range []chaos.Window{v.baseline, v.fault, v.after} {
			sum := 0.0
			for _, g := range shown[m.Name] {
				for _, h := range v.m.holdings(g) {
					var values []float64
					for _, x := range h.in(w) {
						values = append(values, x.value)
					}
					if len(values) > 0 {
						sum += stats.Median(values)
						r.N[i] += len(values)
					}
				}
			}
			if r.N[i] > 0 {
				*[]**float64{&r.Baseline, &r.Fault, &r.After}[i] = &sum
			}
		}
		out = append(out, r)
	}
	return out
}
