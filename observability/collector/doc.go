// Package collector is an OpenTelemetry collector for one run: it takes OTLP
// over HTTP, keeps what it got in the run's folder, forwards it, and answers
// questions about the spans it has seen.
//
// Which function do you want?
//
//   - To collect, [Start]; give [Collector.URL] to whatever exports, and
//     [Collector.Close] it at the end. Spans of your own process go in by
//     [Collector.Add].
//   - To read a run afterwards, [Load]. It answers the same questions with the
//     same words, because both are a [Store].
//   - About one request, [Store.Trace]; drawn, [Tree]; exported, [WriteOTLP];
//     where it failed first, [FirstFailingHop].
//   - About a window of time, [Store.Between] for spans and [Store.Edges] for
//     calls, retries, errors and latencies of each edge.
//   - About a process, [Store.Metrics] for what it said last, and, of a run that
//     was loaded, [Store.Levels] for how what it held went up and down.
//
// Whatever is accepted is kept. Spans that come when the limit on the disk is
// reached are counted in [Stats.Dropped] and are in neither the folder nor the
// memory, so that live and loaded answers agree.
//
//	SDKs ──OTLP/HTTP──▶ receiver ──▶ Store (memory) ──▶ Trace, Between, Edges
//	Add ─────────────▶     │  ├────▶ spans/ metrics/ logs/ (run folder)
//	                       │  └────▶ forwarder ──▶ OTEL_EXPORTER_OTLP_ENDPOINT
//
// # Files
//
// A run folder holds spans/spans.otlp, metrics/metrics.otlp, logs/logs.otlp and,
// once the collector was closed, spans/manifest.json with their sizes, SHA-256
// sums and the final [Stats]. The three files have one format:
//
//	"bedlam.otlp/1 spans\n"        the schema and what it holds: spans, metrics or logs
//	frame, frame, …
//
//	a frame (numbers are 32 bits, little-endian):
//	  sequence   from 0, without a gap
//	  items      spans that were accepted with it; of metrics and logs, requests
//	  raw        length of the payload when unpacked
//	  size       length of the payload as it stands here
//	  payload's CRC-32C
//	  CRC-32C of the five numbers above
//	  payload    zstd
//
// A payload unpacks to OTLP requests in protobuf, one after the other. As
// concatenated protobuf messages are one message, it is itself a valid
// ExportTraceServiceRequest (or Metrics, or Logs), with every attribute, event
// and link that was sent. What [Span] leaves out is therefore still on the disk.
//
// Frames are appended several times a second, so a crash costs less than that.
// What is cut off is a torn tail: the frames before it are read, and [Load] says
// what is missing. A frame in the middle with a wrong checksum, a file that is
// not the one the manifest describes, and a schema this package does not know
// are errors.
package collector
