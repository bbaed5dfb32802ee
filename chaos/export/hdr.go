package export

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/bedlamlab/bedlam/chaos"
)

const (
	// longestLatency is more than a customer waits: what lies above is counted
	// there.
	longestLatency = time.Hour
	// digits is how many of a latency's are kept, as HdrHistogram's own tools do.
	digits = 3
)

// HDR writes an HdrHistogram log (version 1.3): for each second in which
// requests were due, a histogram of the latencies of each class, in
// microseconds and tagged with the class's name.
func HDR(w io.Writer, rec *chaos.Record) error {
	log := hdrhistogram.NewHistogramLogWriter(w)
	start := rec.Header.Start.UnixMilli()
	log.SetBaseTime(start)
	for _, write := range []func() error{
		func() error {
			return log.OutputComment("[Latencies of customers from the due time in microseconds, by class; run " + rec.Plan.Run + "]")
		},
		log.OutputLogFormatVersion,
		func() error { return log.OutputStartTime(start) },
		func() error { return log.OutputBaseTime(start) },
		log.OutputLegend,
	} {
		if err := write(); err != nil {
			return fmt.Errorf("writing a histogram log: %w", err)
		}
	}
	type cell struct {
		second int64
		class  string
	}
	all := map[cell]*hdrhistogram.Histogram{}
	for _, r := range rec.Requests {
		if r.Surge != "" {
			continue // no customer waited for it
		}
		c := cell{int64(r.Due / time.Second), r.Class}
		h, ok := all[c]
		if !ok {
			h = hdrhistogram.New(1, longestLatency.Microseconds(), digits)
			h.SetTag(c.class)
			h.SetStartTimeMs(start + 1000*c.second)
			h.SetEndTimeMs(start + 1000*(c.second+1))
			all[c] = h
		}
		latency := min(max(r.Latency(), time.Microsecond), longestLatency)
		if err := h.RecordValue(latency.Microseconds()); err != nil {
			return fmt.Errorf("a latency of %s: %w", r.Latency(), err)
		}
	}
	cells := slices.SortedFunc(maps.Keys(all), func(a, b cell) int {
		if a.second != b.second {
			return int(a.second - b.second)
		}
		if a.class < b.class {
			return -1
		}
		return 1
	})
	for _, c := range cells {
		if err := log.OutputIntervalHistogram(all[c]); err != nil {
			return fmt.Errorf("writing a histogram log: %w", err)
		}
	}
	return nil
}
