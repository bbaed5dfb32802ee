package export

import (
	"bufio"
	"cmp"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/topology"
)

// metrics writes what each service's own spans say of each second: how many
// requests it was asked, how many of them failed, and how long it took, in
// milliseconds.
func metrics(w io.Writer, rec *chaos.Record, of stretch) error {
	var services []string
	for _, s := range rec.Plan.Topology.Services {
		services = append(services, s.Name)
	}
	slices.Sort(services)
	n := int(of.to.Sub(of.from).Seconds()) + 1
	type second struct {
		asked, failed int
		took          []float64 // ms
	}
	table := map[string][]second{}
	for _, name := range services {
		table[name] = make([]second, n)
	}
	for _, s := range spans(rec, of.from, of.to) {
		i := int(s.Start.Sub(of.from).Seconds())
		seconds, known := table[s.Service]
		if s.Kind != collector.Server || !known || s.Start.Before(of.from) || i >= n {
			continue
		}
		x := &seconds[i]
		x.asked++
		if s.Error {
			x.failed++
		}
		x.took = append(x.took, float64(s.Duration().Microseconds())/1000)
	}
	out := csv.NewWriter(w)
	head := []string{"time"}
	for _, name := range services {
		for _, metric := range []string{"workload", "error", "latency-50", "latency-90"} {
			head = append(head, name+"_"+metric)
		}
	}
	if err := out.Write(head); err != nil {
		return err
	}
	for i := range n {
		row := []string{strconv.FormatInt(of.from.Add(time.Duration(i)*time.Second).Unix(), 10)}
		for _, name := range services {
			x := table[name][i]
			slices.Sort(x.took)
			row = append(row, strconv.Itoa(x.asked), strconv.Itoa(x.failed), percentile(x.took, 50), percentile(x.took, 90))
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// percentile is the nearest rank; a second in which nobody asked has 0, since
// analysers of these data take no holes.
func percentile(sorted []float64, q int) string {
	if len(sorted) == 0 {
		return "0"
	}
	return strconv.FormatFloat(sorted[(len(sorted)*q+99)/100-1], 'f', 3, 64)
}

// traces writes the services' spans; times are microseconds.
func traces(w io.Writer, rec *chaos.Record, of stretch) error {
	out := csv.NewWriter(w)
	if err := out.Write([]string{"time", "traceID", "spanID", "serviceName", "methodName", "operationName", "startTimeMillis", "startTime", "duration", "statusCode", "parentSpanID"}); err != nil {
		return err
	}
	for _, s := range spans(rec, of.from, of.to) {
		if s.Service == topology.Loader {
			continue // the customers' own
		}
		parent, status := "", s.Code
		if s.Parent != (collector.SpanID{}) {
			parent = hex.EncodeToString(s.Parent[:])
		}
		if status == "" && s.Error {
			status = "error"
		}
		if err := out.Write([]string{s.Start.UTC().Format(time.RFC3339Nano), s.Trace.String(), hex.EncodeToString(s.ID[:]), s.Service, s.Name[strings.LastIndexByte(s.Name, '/')+1:], s.Name,
			strconv.FormatInt(s.Start.UnixMilli(), 10), strconv.FormatInt(s.Start.UnixMicro(), 10), strconv.FormatInt(s.Duration().Microseconds(), 10), status, parent}); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// logLines writes what the instances logged, by time. Lines that are no JSON
// with a time, such as a database's, are left to the run's own files.
func logLines(w io.Writer, logs fs.FS, of stretch) error {
	type line struct {
		at              time.Time
		who, text, rank string
	}
	var all []line
	names, err := fs.Glob(logs, "*.log")
	if err != nil {
		return err
	}
	for _, name := range names {
		f, err := logs.Open(name)
		if err != nil {
			return err
		}
		in := bufio.NewScanner(f)
		in.Buffer(nil, 1<<20)
		for in.Scan() {
			var l struct {
				Time                   time.Time
				Level, Msg, Instance   string
				Error, Cause, Degraded string
			}
			if json.Unmarshal(in.Bytes(), &l) != nil || l.Time.Before(of.from) || !l.Time.Before(of.to) {
				continue
			}
			text := strings.TrimSpace(strings.Join([]string{l.Msg, l.Error, l.Cause, l.Degraded}, " "))
			all = append(all, line{l.Time, cmp.Or(l.Instance, strings.TrimSuffix(name, ".log")), text, l.Level})
		}
		// A line longer than a megabyte ends the file's part: it is no log line.
		f.Close()
	}
	slices.SortStableFunc(all, func(a, b line) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.who, b.who)) })
	out := csv.NewWriter(w)
	if err := out.Write([]string{"time", "timestamp", "container_name", "message", "level"}); err != nil {
		return err
	}
	for _, l := range all {
		if err := out.Write([]string{l.at.UTC().Format(time.RFC3339Nano), strconv.FormatInt(l.at.UnixNano(), 10), l.who, l.text, l.rank}); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}
