package collector

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	metricsservice "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"
)

// maxSeries is the most series that are followed. A shop of twenty processes
// has some two thousand; a label with a value a request would have millions.
const maxSeries = 50_000

// A Metric is the latest value of one series.
type Metric struct {
	Service  string
	Instance string
	Name     string
	Unit     string
	Attrs    map[string]string
	Time     time.Time
	// Value is the value of a gauge or a sum; of a histogram or a summary, the
	// sum of what was observed.
	Value float64
	// Count is the number of observations of a histogram or a summary.
	Count uint64
}

// metricTable follows the latest value of each series, and of one that was
// loaded also the way of those that go up and down.
type metricTable struct {
	mu     sync.Mutex
	series map[string]*Metric
	levels map[string]*level // nil: only the latest
	points int               // of all levels
}

func newMetricTable() metricTable { return metricTable{series: map[string]*Metric{}} }

// Metrics returns the latest value of every series, by service, instance, name
// and attributes.
func (s *Store) Metrics() []Metric {
	t := &s.metrics
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]Metric, 0, len(t.series))
	for _, key := range slices.Sorted(maps.Keys(t.series)) {
		m := *t.series[key]
		m.Attrs = maps.Clone(m.Attrs)
		all = append(all, m)
	}
	slices.SortStableFunc(all, func(a, b Metric) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Instance, b.Instance), cmp.Compare(a.Name, b.Name))
	})
	return all
}

// take reads an ExportMetricsServiceRequest.
func (t *metricTable) take(body []byte) error {
	var q metricsservice.ExportMetricsServiceRequest
	if err := proto.Unmarshal(body, &q); err != nil {
		return fmt.Errorf("reading metrics: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, rm := range q.GetResourceMetrics() {
		var service, instance string
		for _, a := range rm.GetResource().GetAttributes() {
			switch a.GetKey() {
			case "service.name":
				service = a.GetValue().GetStringValue()
			case "service.instance.id":
				instance = a.GetValue().GetStringValue()
			}
		}
		for _, sm := range rm.GetScopeMetrics() {
			for _, m := range sm.GetMetrics() {
				t.metric(Metric{Service: service, Instance: instance, Name: m.GetName(), Unit: m.GetUnit()}, m)
			}
		}
	}
	return nil
}

func (t *metricTable) metric(to Metric, m *metricspb.Metric) {
	switch d := m.GetData().(type) {
	case *metricspb.Metric_Gauge:
		for _, p := range d.Gauge.GetDataPoints() {
			key := t.point(to, p.GetAttributes(), p.GetTimeUnixNano(), number(p), 0, false)
			t.level(key, p)
		}
	case *metricspb.Metric_Sum:
		delta := d.Sum.GetAggregationTemporality() == metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA
		for _, p := range d.Sum.GetDataPoints() {
			key := t.point(to, p.GetAttributes(), p.GetTimeUnixNano(), number(p), 0, delta)
			if !delta && !d.Sum.GetIsMonotonic() {
				t.level(key, p)
			}
		}
	case *metricspb.Metric_Histogram:
		delta := d.Histogram.GetAggregationTemporality() == metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA
		for _, p := range d.Histogram.GetDataPoints() {
			t.point(to, p.GetAttributes(), p.GetTimeUnixNano(), p.GetSum(), p.GetCount(), delta)
		}
	case *metricspb.Metric_ExponentialHistogram:
		delta := d.ExponentialHistogram.GetAggregationTemporality() == metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA
		for _, p := range d.ExponentialHistogram.GetDataPoints() {
			t.point(to, p.GetAttributes(), p.GetTimeUnixNano(), p.GetSum(), p.GetCount(), delta)
		}
	case *metricspb.Metric_Summary:
		for _, p := range d.Summary.GetDataPoints() {
			t.point(to, p.GetAttributes(), p.GetTimeUnixNano(), p.GetSum(), p.GetCount(), false)
		}
	}
}

func number(p *metricspb.NumberDataPoint) float64 {
	if v, ok := p.GetValue().(*metricspb.NumberDataPoint_AsInt); ok {
		return float64(v.AsInt)
	}
	return p.GetAsDouble()
}

// point takes one data point; a delta adds to what its series has. It returns
// the key of the series.
func (t *metricTable) point(m Metric, attrs []*commonpb.KeyValue, at uint64, value float64, count uint64, delta bool) string {
	m.Time, m.Value, m.Count = time.Unix(0, int64(at)).UTC(), value, count
	if len(attrs) > 0 {
		m.Attrs = make(map[string]string, len(attrs))
		for _, a := range attrs {
			m.Attrs[a.GetKey()] = text(a.GetValue())
		}
	}
	key := m.key()
	before, ok := t.series[key]
	switch {
	case !ok && len(t.series) < maxSeries:
		t.series[key] = &m
	case !ok:
	case delta:
		before.Value, before.Count = before.Value+value, before.Count+count
		if m.Time.After(before.Time) {
			before.Time = m.Time
		}
	case !m.Time.Before(before.Time): // exporters may overtake one another
		*before = m
	}
	return key
}

func (m *Metric) key() string {
	var b strings.Builder
	for _, s := range []string{m.Service, m.Instance, m.Name} {
		b.WriteString(s)
		b.WriteByte(0)
	}
	for _, k := range slices.Sorted(maps.Keys(m.Attrs)) {
		b.WriteString(k)
		b.WriteByte(0)
		b.WriteString(m.Attrs[k])
		b.WriteByte(0)
	}
	return b.String()
}

// text is a value as a span's attributes have it.
func text(v *commonpb.AnyValue) string {
	if s, ok := v.GetValue().(*commonpb.AnyValue_StringValue); ok {
		return s.StringValue
	}
	b, err := proto.Marshal(v)
	if err != nil {
		return ""
	}
	b, _ = appendValue(nil, b, 0)
	return string(b)
}
