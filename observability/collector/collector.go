package collector

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/zstd"
	logsservice "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	"google.golang.org/protobuf/proto"
)

// DefaultLimit is the limit of a recording on the disk, in bytes. A span of
// the shop takes about 60 bytes there and 100 in memory, so the spans' share
// is a million and a half of them, half an hour of the shop at its default
// rate, and 170 MB of memory.
const DefaultLimit = 128 << 20

// Options say how to collect.
type Options struct {
	Dir string // the run's folder; spans/, metrics/ and logs/ are made in it
	// Limit bounds the files together, in bytes; 0: [DefaultLimit]. Three
	// quarters belong to the spans, an eighth each to metrics and logs, so that
	// none of them can starve the spans. The frame that reaches a limit is
	// still written.
	Limit   int64
	Listen  string       // host:port to receive at; empty: a free port of 127.0.0.1
	Forward Forward      // where else to send everything; see [ForwardFromEnv]
	Log     *slog.Logger // nil: nothing is logged
}

// A Collector receives, keeps and forwards telemetry. Its Store answers
// questions while it does so and after it was closed.
type Collector struct {
	*Store
	dir     string
	url     string
	server  *http.Server
	slots   chan struct{} // requests being read
	repeat  *repeats
	forward *forwarder
	files   map[string]*recording // by signal
	refused atomic.Int64
	scratch sync.Pool // of *request

	// keeping makes the order of spans in memory the order in the file.
	keeping sync.Mutex
	counts  Stats // under keeping

	closing sync.Once
	closed  error
}

// Start begins to collect, on a port of its own on 127.0.0.1. ctx bounds the
// start only; [Collector.Close] ends the collecting. A folder that holds a
// recording already is refused.
func Start(ctx context.Context, o Options) (*Collector, error) {
	if o.Dir == "" {
		return nil, errors.New("starting the collector: no folder to keep the recording in")
	}
	if o.Limit == 0 {
		o.Limit = DefaultLimit
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	pack, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("starting the collector: %w", err)
	}
	c := &Collector{
		Store: newStore(), dir: o.Dir, slots: make(chan struct{}, maxRequests), repeat: newRepeats(),
		files:   map[string]*recording{},
		scratch: sync.Pool{New: func() any { return new(request) }},
	}
	shares := []struct {
		signal string
		limit  int64
	}{{spansSignal, o.Limit / 4 * 3}, {metricsSignal, o.Limit / 8}, {logsSignal, o.Limit / 8}}
	for _, s := range shares {
		f, err := newRecording(o.Dir, s.signal, s.limit, pack)
		if err != nil {
			c.abandon()
			return nil, fmt.Errorf("starting the collector: %w", err)
		}
		c.files[s.signal] = f
	}
	var listen net.ListenConfig
	l, err := listen.Listen(ctx, "tcp", cmp.Or(o.Listen, "127.0.0.1:0"))
	if err != nil {
		c.abandon()
		return nil, fmt.Errorf("starting the collector: %w", err)
	}
	c.url = "http://" + l.Addr().String()
	c.forward = newForwarder(o.Forward, o.Log)
	c.server = &http.Server{
		Handler: c.receiver(),
		// A request comes in one piece over loopback; one that stops half way
		// is a paused process, whose slot others need.
		ReadTimeout: 10 * time.Second,
		IdleTimeout: 2 * time.Minute, // exporters send every few seconds
		ErrorLog:    slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	go c.server.Serve(l) // until Close
	return c, nil
}

// abandon closes what Start has opened before it failed.
func (c *Collector) abandon() {
	for _, f := range c.files {
		f.close()
	}
}

// URL is the base URL for exporters: /v1/traces, /v1/metrics and /v1/logs are
// below it.
func (c *Collector) URL() string { return c.url }

// Add takes spans that were made in this process; they are kept and forwarded
// like those that are received. A span without a trace id or an id of its own
// is malformed.
func (c *Collector) Add(spans ...Span) {
	for batch := range slices.Chunk(spans, addBatch) {
		body, err := proto.Marshal(encode(batch))
		if err == nil {
			_, err = c.takeSpans(body)
		}
		if err != nil {
			c.keeping.Lock()
			c.counts.Received += int64(len(batch))
			c.counts.Malformed += int64(len(batch))
			c.keeping.Unlock()
		}
	}
}

// addBatch is how many spans become one request: as many as the SDKs send.
const addBatch = 512

// takeSpans keeps and forwards an ExportTraceServiceRequest.
func (c *Collector) takeSpans(body []byte) (accepted, error) {
	q := c.scratch.Get().(*request)
	defer func() {
		q.reset()
		c.scratch.Put(q)
	}()
	if err := q.parse(body); err != nil {
		return accepted{}, err
	}
	c.forward.add(spansSignal, body)
	n := int64(len(q.spans))
	a := accepted{rejected: q.malformed}
	if a.rejected > 0 {
		a.why = "spans without a trace id of 16 bytes or an id of 8"
	}
	c.keeping.Lock()
	defer c.keeping.Unlock()
	c.counts.Received += n + q.malformed
	c.counts.Malformed += q.malformed
	if n == 0 {
		return a, nil
	}
	if !c.files[spansSignal].append(body, len(q.spans)) {
		c.counts.Dropped += n
		return accepted{rejected: a.rejected + n, why: "the run's limit is reached"}, nil
	}
	c.counts.Kept += n
	c.Store.mu.Lock()
	c.Store.insert(q)
	c.Store.mu.Unlock()
	return a, nil
}

func (c *Collector) takeMetrics(body []byte) (accepted, error) {
	if err := c.Store.metrics.take(body); err != nil {
		return accepted{}, err
	}
	return c.keep(metricsSignal, body, &c.counts.Metrics, &c.counts.MetricsDropped), nil
}

func (c *Collector) takeLogs(body []byte) (accepted, error) {
	var q logsservice.ExportLogsServiceRequest
	if err := proto.Unmarshal(body, &q); err != nil {
		return accepted{}, fmt.Errorf("reading logs: %w", err)
	}
	return c.keep(logsSignal, body, &c.counts.Logs, &c.counts.LogsDropped), nil
}

func (c *Collector) keep(signal string, body []byte, kept, dropped *int64) accepted {
	c.forward.add(signal, body)
	c.keeping.Lock()
	defer c.keeping.Unlock()
	if len(body) > 0 && !c.files[signal].append(body, 1) {
		*dropped++
		return accepted{why: "the run's limit is reached"}
	}
	*kept++
	return accepted{}
}

// Stats returns the counts so far.
func (c *Collector) Stats() Stats {
	c.keeping.Lock()
	s := c.counts
	c.keeping.Unlock()
	s.Repeated = c.repeat.counted()
	s.Refused = c.refused.Load()
	s.Forwarded, s.ForwardFailures = c.forward.counts()
	s.Lost = c.files[spansSignal].now().lost
	for _, signal := range signals {
		now := c.files[signal].now()
		s.Bytes += now.bytes
		if now.err != nil && s.Disk == "" {
			s.Disk = now.err.Error()
		}
	}
	return s
}

// Sync writes everything that was accepted so far to the disk, so that [Load]
// finds it; it returns the first error that the disk had.
func (c *Collector) Sync() error {
	var errs []error
	for _, signal := range signals {
		errs = append(errs, c.files[signal].sync())
	}
	return errors.Join(errs...)
}

// Close stops receiving, writes what waits and the manifest, and passes on
// what is to be forwarded. Requests in flight and the forwarding are cut short
// when ctx is done; the files are not. Questions can still be asked. Further
// calls do nothing but return the first one's error.
func (c *Collector) Close(ctx context.Context) error {
	c.closing.Do(func() { c.closed = c.close(ctx) })
	return c.closed
}

func (c *Collector) close(ctx context.Context) error {
	if c.server.Shutdown(ctx) != nil {
		c.server.Close()
	}
	c.forward.close(ctx)
	m := manifest{Schema: manifestSchema}
	var errs []error
	for _, signal := range signals {
		f, err := c.files[signal].close()
		errs = append(errs, err)
		m.Files = append(m.Files, f)
	}
	m.Stats = c.Stats()
	return errors.Join(append(errs, m.write(c.dir))...)
}
