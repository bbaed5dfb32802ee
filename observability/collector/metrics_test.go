package collector_test

import (
	"testing"

	metricsservice "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"

	"github.com/bedlamlab/bedlam/observability/collector"
)

// metricsBody has one series of each kind, at a time in milliseconds.
func metricsBody(t testing.TB, ms, value float64) []byte {
	t.Helper()
	now, sum := uint64(at(ms).UnixNano()), value
	state := []*commonpb.KeyValue{text("state", "idle"), number("n", 3)}
	const delta, total = metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA, metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE
	points := []*metricspb.NumberDataPoint{{TimeUnixNano: now, Value: &metricspb.NumberDataPoint_AsInt{AsInt: int64(value)}}}
	return marshal(t, &metricsservice.ExportMetricsServiceRequest{ResourceMetrics: []*metricspb.ResourceMetrics{{
		Resource: &resourcepb.Resource{Attributes: []*commonpb.KeyValue{text("service.name", "cart"), text("service.instance.id", "cart-1")}},
		ScopeMetrics: []*metricspb.ScopeMetrics{{Metrics: []*metricspb.Metric{
			{Name: "gauge", Unit: "{connection}", Data: &metricspb.Metric_Gauge{Gauge: &metricspb.Gauge{DataPoints: []*metricspb.NumberDataPoint{
				{TimeUnixNano: now, Attributes: state, Value: &metricspb.NumberDataPoint_AsDouble{AsDouble: value}}}}}},
			{Name: "sum", Data: &metricspb.Metric_Sum{Sum: &metricspb.Sum{AggregationTemporality: total, DataPoints: points}}},
			{Name: "delta", Data: &metricspb.Metric_Sum{Sum: &metricspb.Sum{AggregationTemporality: delta, DataPoints: points}}},
			{Name: "histogram", Data: &metricspb.Metric_Histogram{Histogram: &metricspb.Histogram{AggregationTemporality: total,
				DataPoints: []*metricspb.HistogramDataPoint{{TimeUnixNano: now, Sum: &sum, Count: uint64(value)}}}}},
			{Name: "exponential", Data: &metricspb.Metric_ExponentialHistogram{ExponentialHistogram: &metricspb.ExponentialHistogram{AggregationTemporality: delta,
				DataPoints: []*metricspb.ExponentialHistogramDataPoint{{TimeUnixNano: now, Sum: &sum, Count: uint64(value)}}}}},
			{Name: "summary", Data: &metricspb.Metric_Summary{Summary: &metricspb.Summary{
				DataPoints: []*metricspb.SummaryDataPoint{{TimeUnixNano: now, Sum: sum, Count: uint64(value)}}}}},
		}}},
	}}})
}

func TestMetricsAreTheLatest(t *testing.T) {
	c := start(t, collector.Options{})
	for _, m := range []struct{ ms, value float64 }{{1, 5}, {3, 7}, {2, 100}} { // the last one was overtaken
		if code, _ := post(t, c.URL()+"/v1/metrics", "application/x-protobuf", "", metricsBody(t, m.ms, m.value)); code != 200 {
			t.Fatal(code)
		}
	}
	m := func(name, unit string, ms, value float64, count uint64, attrs map[string]string) collector.Metric {
		return collector.Metric{Service: "cart", Instance: "cart-1", Name: name, Unit: unit, Time: at(ms), Value: value, Count: count, Attrs: attrs}
	}
	same(t, "metrics", c.Metrics(), []collector.Metric{
		m("delta", "", 3, 112, 0, nil), // deltas add up in whichever order they come
		m("exponential", "", 3, 112, 112, nil),
		m("gauge", "{connection}", 3, 7, 0, map[string]string{"state": "idle", "n": "3"}),
		m("histogram", "", 3, 7, 7, nil),
		m("sum", "", 3, 7, 0, nil),
		m("summary", "", 3, 7, 7, nil),
	})
}
