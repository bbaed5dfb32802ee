package collector_test

import (
	"context"
	"testing"
	"time"

	metricsservice "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"

	"github.com/bedlamlab/bedlam/observability/collector"
)

// heldBody is what a process said that it held at a moment, in a life that
// began at another; all in milliseconds.
func heldBody(t testing.TB, ms, since, value float64) []byte {
	t.Helper()
	points := func(attrs ...*commonpb.KeyValue) []*metricspb.NumberDataPoint {
		return []*metricspb.NumberDataPoint{{TimeUnixNano: uint64(at(ms).UnixNano()), StartTimeUnixNano: uint64(at(since).UnixNano()),
			Attributes: attrs, Value: &metricspb.NumberDataPoint_AsDouble{AsDouble: value}}}
	}
	const total, delta = metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE, metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA
	return marshal(t, &metricsservice.ExportMetricsServiceRequest{ResourceMetrics: []*metricspb.ResourceMetrics{{
		Resource: &resourcepb.Resource{Attributes: []*commonpb.KeyValue{text("service.name", "cart"), text("service.instance.id", "cart-1")}},
		ScopeMetrics: []*metricspb.ScopeMetrics{{Metrics: []*metricspb.Metric{
			{Name: "files", Unit: "{file}", Data: &metricspb.Metric_Sum{Sum: &metricspb.Sum{AggregationTemporality: total, DataPoints: points(text("state", "open"))}}},
			{Name: "goal", Unit: "By", Data: &metricspb.Metric_Gauge{Gauge: &metricspb.Gauge{DataPoints: points()}}},
			// A count only grows, and of a difference nobody knows what it is a difference to.
			{Name: "count", Data: &metricspb.Metric_Sum{Sum: &metricspb.Sum{IsMonotonic: true, AggregationTemporality: total, DataPoints: points()}}},
			{Name: "change", Data: &metricspb.Metric_Sum{Sum: &metricspb.Sum{AggregationTemporality: delta, DataPoints: points()}}},
		}}},
	}}})
}

func TestLevelsOfALoadedRun(t *testing.T) {
	dir := t.TempDir()
	c := start(t, collector.Options{Dir: dir})
	for _, x := range []struct{ ms, since, value float64 }{{2, 1, 5}, {6, 1, 9}, {4, 1, 7}, {9, 8, 1}} { // one overtaken, then another life
		if code, _ := post(t, c.URL()+"/v1/metrics", "application/x-protobuf", "", heldBody(t, x.ms, x.since, x.value)); code != 200 {
			t.Fatal(code)
		}
	}
	if live := c.Levels("files", "goal"); live != nil {
		t.Errorf("one that still collects keeps %v", live)
	}
	if err := c.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	s, torn, err := collector.Load(dir)
	if err != nil || len(torn) > 0 {
		t.Fatal(torn, err)
	}
	points := []collector.Point{{Time: at(2), Since: at(1), Value: 5}, {Time: at(4), Since: at(1), Value: 7}, {Time: at(6), Since: at(1), Value: 9}, {Time: at(9), Since: at(8), Value: 1}}
	same(t, "levels", s.Levels("goal", "files", "count", "change", "nothing"), []collector.Level{
		{Service: "cart", Instance: "cart-1", Name: "files", Unit: "{file}", Attrs: map[string]string{"state": "open"}, Points: points},
		{Service: "cart", Instance: "cart-1", Name: "goal", Unit: "By", Points: points},
	})
	same(t, "one level", len(s.Levels("goal")), 1)
}

func TestALevelWhoseLifeIsNotTold(t *testing.T) {
	dir := t.TempDir()
	c := start(t, collector.Options{Dir: dir})
	post(t, c.URL()+"/v1/metrics", "application/x-protobuf", "", metricsBody(t, 1, 5))
	if err := c.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	s, _, err := collector.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "points", s.Levels("gauge")[0].Points, []collector.Point{{Time: at(1), Since: time.Time{}, Value: 5}})
}
