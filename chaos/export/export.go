// Package export writes what a run recorded in the formats of other people's
// tools. It judges nothing and leaves nothing out silently.
//
//	[CSV]      every request, a line each          spreadsheets, pandas, R
//	[HDR]      latencies, a histogram a second     HdrHistogram's log tools
//	[OTLP]     every span as OTLP-JSON             Jaeger, Tempo, an OpenTelemetry collector
//	[RCAEval]  a labelled folder an experiment     analysers of root causes
//
// Lines of JSON are written by [loadgen.Export], straight from the history.
package export

import (
	"cmp"
	"encoding/csv"
	"encoding/hex"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/observability/collector"
)

// CSV writes the requests by due time, one a line under a heading. Times are
// seconds from the run's start; a latency counts from the due time.
func CSV(w io.Writer, rec *chaos.Record) error {
	out := csv.NewWriter(w)
	seconds := func(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', 6, 64) }
	if err := out.Write([]string{"journey", "step", "class", "due_s", "sent_s", "done_s", "latency_s", "lag_s", "outcome", "good",
		"status", "reason", "gateway", "trace_id", "key", "order", "bytes", "surge"}); err != nil {
		return err
	}
	for _, r := range rec.Requests {
		if err := out.Write([]string{strconv.FormatUint(r.Journey, 10), strconv.Itoa(r.Step), r.Class, seconds(r.Due), seconds(r.Sent), seconds(r.Done),
			seconds(r.Latency()), seconds(r.Lag()), r.Outcome.String(), strconv.FormatBool(r.Useful()), strconv.Itoa(r.Status), r.Reason, r.Gateway,
			hex.EncodeToString(r.TraceID[:]), r.Key, r.Order, strconv.FormatInt(r.Bytes, 10), r.Surge}); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// spansALine is how many spans stand in one line of OTLP-JSON: a megabyte or
// so, which readers of lines take.
const spansALine = 1000

// OTLP writes every span, by start, as lines of OTLP-JSON, each of which is one
// request of the OTLP/HTTP protocol: what the OpenTelemetry collector's file
// receiver reads.
func OTLP(w io.Writer, rec *chaos.Record) error {
	for part := range slices.Chunk(spans(rec, time.Unix(0, 0), time.Unix(1<<40, 0)), spansALine) {
		if err := collector.WriteOTLP(w, part); err != nil {
			return err
		}
	}
	return nil
}

// spans returns those that overlap [from, to), in an order that does not depend
// on that of their arrival.
func spans(rec *chaos.Record, from, to time.Time) []collector.Span {
	var all []collector.Span
	rec.Spans.Between(from, to, func(s collector.Span) bool {
		all = append(all, s)
		return true
	})
	slices.SortFunc(all, func(a, b collector.Span) int {
		return cmp.Or(a.Start.Compare(b.Start), slices.Compare(a.Trace[:], b.Trace[:]), slices.Compare(a.ID[:], b.ID[:]))
	})
	return all
}
