package collector

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	logsservice "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	metricsservice "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	traceservice "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

const (
	protobufType = "application/x-protobuf"
	jsonType     = "application/json"

	// maxBody is the largest request, unpacked, in bytes. The SDKs send 512
	// spans at a time, which is some 300 kB; this leaves room for twenty times that.
	maxBody = 8 << 20
	// maxRequests is how many requests are read at once; others wait. With
	// maxBody it bounds the receiver's memory to 128 MiB, and it is about the
	// number of processes in a shop, so that nobody waits for a paused one.
	maxRequests = 16
)

// accepted is what became of a request: how many items were not taken, and why.
type accepted struct {
	rejected int64
	why      string
}

// receiver answers OTLP/HTTP.
func (c *Collector) receiver() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/v1/traces", c.signal(c.takeSpans,
		func() proto.Message { return new(traceservice.ExportTraceServiceRequest) },
		func(a accepted) proto.Message {
			m := new(traceservice.ExportTraceServiceResponse)
			if a.why != "" {
				m.PartialSuccess = &traceservice.ExportTracePartialSuccess{RejectedSpans: a.rejected, ErrorMessage: a.why}
			}
			return m
		}))
	mux.Handle("/v1/metrics", c.signal(c.takeMetrics,
		func() proto.Message { return new(metricsservice.ExportMetricsServiceRequest) },
		func(a accepted) proto.Message {
			m := new(metricsservice.ExportMetricsServiceResponse)
			if a.why != "" {
				m.PartialSuccess = &metricsservice.ExportMetricsPartialSuccess{RejectedDataPoints: a.rejected, ErrorMessage: a.why}
			}
			return m
		}))
	mux.Handle("/v1/logs", c.signal(c.takeLogs,
		func() proto.Message { return new(logsservice.ExportLogsServiceRequest) },
		func(a accepted) proto.Message {
			m := new(logsservice.ExportLogsServiceResponse)
			if a.why != "" {
				m.PartialSuccess = &logsservice.ExportLogsPartialSuccess{RejectedLogRecords: a.rejected, ErrorMessage: a.why}
			}
			return m
		}))
	return mux
}

// signal serves one signal's path.
func (c *Collector) signal(take func([]byte) (accepted, error), empty func() proto.Message, answer func(accepted) proto.Message) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		kind, _, err := mime.ParseMediaType(q.Header.Get("Content-Type"))
		known := err == nil && (kind == protobufType || kind == jsonType)
		switch {
		case q.Method != http.MethodPost:
			w.Header().Set("Allow", http.MethodPost)
			c.refuse(w, protobufType, http.StatusMethodNotAllowed, fmt.Errorf("method %s: want POST", q.Method))
			return
		case !known:
			c.refuse(w, protobufType, http.StatusUnsupportedMediaType,
				fmt.Errorf("content type %q: want %s or %s", q.Header.Get("Content-Type"), protobufType, jsonType))
			return
		}
		select {
		case c.slots <- struct{}{}:
			defer func() { <-c.slots }()
		case <-q.Context().Done():
			return // nobody waits for an answer
		}
		buffer := buffers.Get().(*bytes.Buffer)
		defer buffers.Put(buffer)
		buffer.Reset()
		if code, err := read(buffer, w, q); err != nil {
			c.refuse(w, kind, code, err)
			return
		}
		body := buffer.Bytes()
		sum, again := c.repeat.enter(q.URL.Path, body)
		if again {
			respond(w, kind, http.StatusOK, answer(accepted{}))
			return
		}
		var a accepted
		if kind == jsonType {
			body, err = fromJSON(body, empty())
		}
		if err == nil {
			a, err = take(body)
		}
		if err != nil {
			c.repeat.forget(sum)
			c.refuse(w, kind, http.StatusBadRequest, err)
			return
		}
		respond(w, kind, http.StatusOK, answer(a))
	})
}

var (
	buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}
	gunzips = sync.Pool{New: func() any { return new(gzip.Reader) }}
)

// read reads a request's body into b, unpacked and at most maxBody long. With
// an error comes the status to answer.
func read(b *bytes.Buffer, w http.ResponseWriter, q *http.Request) (int, error) {
	var from io.Reader = http.MaxBytesReader(w, q.Body, maxBody)
	switch strings.ToLower(q.Header.Get("Content-Encoding")) {
	case "", "identity":
	case "gzip":
		z := gunzips.Get().(*gzip.Reader)
		defer gunzips.Put(z)
		if err := z.Reset(from); err != nil {
			return statusOf(err), fmt.Errorf("reading gzip: %w", err)
		}
		from = z
	default:
		return http.StatusUnsupportedMediaType, fmt.Errorf("content encoding %q: want gzip or none", q.Header.Get("Content-Encoding"))
	}
	if _, err := b.ReadFrom(io.LimitReader(from, maxBody+1)); err != nil {
		return statusOf(err), fmt.Errorf("reading the body: %w", err)
	}
	if b.Len() > maxBody {
		return http.StatusRequestEntityTooLarge, fmt.Errorf("the body unpacks to more than %d bytes", maxBody)
	}
	return 0, nil
}

func statusOf(err error) int {
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return http.StatusRequestEntityTooLarge
	}
	return http.StatusBadRequest
}

// refuse answers with an error, in the form that OTLP prescribes.
func (c *Collector) refuse(w http.ResponseWriter, kind string, code int, err error) {
	c.refused.Add(1)
	respond(w, kind, code, &statuspb.Status{Code: int32(codes.InvalidArgument), Message: valid(err.Error())})
}

func respond(w http.ResponseWriter, kind string, code int, m proto.Message) {
	var b []byte
	var err error
	if kind == jsonType {
		b, err = protojson.Marshal(m)
	} else {
		b, err = proto.Marshal(m)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(code)
	w.Write(b)
}
