package collector

import (
	"cmp"
	"maps"
	"slices"
	"time"

	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
)

// maxPoints is the most moments that are kept of all levels together, 24 bytes
// each: at a reading every two seconds, of twenty processes with thirty levels
// each, four hours and 100 MB.
const maxPoints = 4_000_000

// A Level is how one series went that goes up and down, a gauge or an up-down
// sum: what a process held at each moment at which it looked.
type Level struct {
	Service  string
	Instance string
	Name     string
	Unit     string
	Attrs    map[string]string
	Points   []Point // by time
}

// A Point is one reading of a level.
type Point struct {
	Time time.Time
	// Since is when the series began, which is when its process did: two
	// points of an instance that differ in it are of different lives. Zero: the
	// exporter does not say.
	Since time.Time
	Value float64
}

// level is a Level as it is kept.
type level struct {
	series *Metric
	points []point
}

type point struct {
	at, since int64 // nanoseconds since 1970
	value     float64
}

// level keeps a data point of the series with that key, if points are kept.
func (t *metricTable) level(key string, p *metricspb.NumberDataPoint) {
	if t.levels == nil || t.points == maxPoints {
		return
	}
	l := t.levels[key]
	if l == nil {
		series := t.series[key]
		if series == nil {
			return // one above maxSeries
		}
		l = &level{series: series}
		t.levels[key] = l
	}
	t.points++
	l.points = append(l.points, point{int64(p.GetTimeUnixNano()), int64(p.GetStartTimeUnixNano()), number(p)})
}

// Levels returns how the series of these names went that go up and down, by
// service, instance, name and attributes. Only a store that was loaded knows:
// one that still collects keeps the latest value of each (see [Store.Metrics]),
// since a run may last for days. What comes after four million points is not
// in it.
func (s *Store) Levels(names ...string) []Level {
	t := &s.metrics
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []Level
	for _, key := range slices.Sorted(maps.Keys(t.levels)) {
		l := t.levels[key]
		m := l.series
		if !slices.Contains(names, m.Name) {
			continue
		}
		out := Level{Service: m.Service, Instance: m.Instance, Name: m.Name, Unit: m.Unit, Attrs: maps.Clone(m.Attrs)}
		for _, p := range l.points {
			x := Point{Time: time.Unix(0, p.at).UTC(), Value: p.value}
			if p.since != 0 {
				x.Since = time.Unix(0, p.since).UTC()
			}
			out.Points = append(out.Points, x)
		}
		// Exporters may overtake one another.
		slices.SortStableFunc(out.Points, func(a, b Point) int { return a.Time.Compare(b.Time) })
		all = append(all, out)
	}
	slices.SortStableFunc(all, func(a, b Level) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Instance, b.Instance), cmp.Compare(a.Name, b.Name))
	})
	return all
}
