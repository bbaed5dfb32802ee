package monkey

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// spec describes the API. It is written by hand.
//
//go:embed openapi.yaml
var spec []byte

// OpenAPI returns the description of the control API, in YAML.
func OpenAPI() []byte { return append([]byte(nil), spec...) }

const (
	// maxBody is far more than any fault takes to say.
	maxBody = 64 << 10
	// haltMost bounds the wait for lifts, which are through in two seconds or
	// are stuck.
	haltMost = 10 * time.Second
)

// A control answers for one monkey.
type control struct{ m *Monkey }

// a route is one method of one path, and what answers it. The answer is JSON
// unless it is nil.
type route struct {
	pattern string
	status  int
	answer  func(control, *http.Request) (any, error)
}

var routes = []route{
	{"GET /v1/status", 200, func(c control, _ *http.Request) (any, error) { return c.m.Status(), nil }},
	{"GET /v1/catalogue", 200, func(c control, _ *http.Request) (any, error) { return append([]Choice{}, c.m.Choices...), nil }},
	{"GET /v1/faults", 200, func(c control, _ *http.Request) (any, error) { return c.m.Status().Live, nil }},
	{"GET /v1/history", 200, func(c control, _ *http.Request) (any, error) { return c.m.History(), nil }},
	{"POST /v1/faults", 201, control.inject},
	{"POST /v1/pause", 200, func(c control, _ *http.Request) (any, error) { err := c.m.Pause(); return c.m.Status(), err }},
	{"POST /v1/resume", 200, func(c control, _ *http.Request) (any, error) { err := c.m.Resume(); return c.m.Status(), err }},
	{"POST /v1/halt", 200, control.halt},
}

// handler answers the control API, without the checks of who asks: [Control]
// has those.
func (m *Monkey) handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range routes {
		mux.HandleFunc(r.pattern, func(w http.ResponseWriter, q *http.Request) {
			if r.pattern != "POST /v1/faults" && hasBody(q) {
				refuse(w, http.StatusBadRequest, "this takes no body")
				return
			}
			answer, err := r.answer(control{m}, q)
			if err != nil {
				refuse(w, codeOf(err), err.Error())
				return
			}
			write(w, r.status, answer)
		})
	}
	metrics := promhttp.HandlerFor(m.metrics.registry, promhttp.HandlerOpts{DisableCompression: true})
	mux.HandleFunc("GET /metrics", metrics.ServeHTTP)
	mux.HandleFunc("GET /openapi.yaml", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/yaml")
		_, _ = w.Write(spec) // who does not listen misses it
	})
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if _, pattern := mux.Handler(q); pattern != "" && path.Clean(q.URL.Path) == q.URL.Path {
			mux.ServeHTTP(w, q)
			return
		}
		lost(w, mux, q)
	})
}

// lost answers what no route is for, in the words of the API.
func lost(w http.ResponseWriter, mux *http.ServeMux, q *http.Request) {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		other := &http.Request{Method: method, URL: q.URL, Host: q.Host}
		if _, pattern := mux.Handler(other); strings.HasSuffix(pattern, " "+q.URL.Path) {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 {
		refuse(w, http.StatusNotFound, "there is nothing at this path: see /openapi.yaml")
		return
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	refuse(w, http.StatusMethodNotAllowed, "this path takes "+strings.Join(allowed, " and "))
}

// hasBody reports whether a request says that it has a body, however long.
func hasBody(q *http.Request) bool { return q.ContentLength != 0 || len(q.TransferEncoding) > 0 }

func (c control) inject(q *http.Request) (any, error) {
	if kind, params, err := mime.ParseMediaType(q.Header.Get("Content-Type")); err != nil || kind != "application/json" ||
		params["charset"] != "" && params["charset"] != "utf-8" {
		return nil, status{http.StatusUnsupportedMediaType, "the body must be application/json"}
	}
	if q.Header.Get("Content-Encoding") != "" {
		return nil, status{http.StatusUnsupportedMediaType, "the body must not be encoded"}
	}
	b, err := io.ReadAll(q.Body)
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return nil, status{http.StatusRequestEntityTooLarge, "the body is too large: at most 64 KiB"}
	}
	if err != nil {
		return nil, status{http.StatusBadRequest, "the body cannot be read"}
	}
	a, err := ParseAsk(b)
	if err != nil {
		return nil, status{http.StatusBadRequest, err.Error()}
	}
	f, err := c.m.Inject(a)
	return f, err
}

func (c control) halt(q *http.Request) (any, error) {
	// Who hangs up takes nothing back.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(q.Context()), haltMost)
	defer cancel()
	err := c.m.Halt(ctx)
	if err != nil {
		err = status{http.StatusInternalServerError, "not everything is lifted yet: see /v1/faults"}
	}
	return c.m.Status(), err
}

// A status is an error with the code that it is answered with.
type status struct {
	code int
	text string
}

func (s status) Error() string { return s.text }

// codeOf says what kind of error it is.
func codeOf(err error) int {
	var s status
	switch {
	case errors.As(err, &s):
		return s.code
	case errors.As(err, &refused{}), errors.Is(err, ErrHalted), errors.Is(err, ErrEnded):
		return http.StatusConflict
	case errors.Is(err, errors.ErrUnsupported):
		return http.StatusNotImplemented
	case errors.As(err, &unfit{}):
		return http.StatusUnprocessableEntity
	}
	return http.StatusInternalServerError
}

func refuse(w http.ResponseWriter, code int, text string) {
	write(w, code, struct {
		Error string `json:"error"`
	}{text})
}

func write(w http.ResponseWriter, code int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		code, b = http.StatusInternalServerError, []byte(`{"error":"it cannot be written down"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(b, '\n')) // who does not listen misses it
}
