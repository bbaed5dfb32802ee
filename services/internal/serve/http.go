package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
)

const (
	// headerLimit ends clients that connect and do not ask.
	headerLimit = 2 * time.Second
	// exchangeLimit bounds reading a request and writing its answer, for
	// clients that dribble: twice the loader's patience of 3 s.
	exchangeLimit = 6 * time.Second
	// idleLimit keeps connections of customers who think, for a minute.
	idleLimit = time.Minute
	// maxHeader is sixteen times what the shop's own clients send.
	maxHeader = 16 << 10
)

// httpFront serves HTTP, with /healthz (the process lives) and /readyz (it
// wants requests) of its own.
type httpFront struct {
	listen string
	server *http.Server
	ready  atomic.Bool
}

func newHTTP(life context.Context, e *Env, s Service) (*httpFront, error) {
	inner, err := s.HTTP(life, e)
	if err != nil {
		return nil, err
	}
	f := &httpFront{listen: e.Assignment.Listen}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !f.ready.Load() {
			http.Error(w, "draining", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	// Only requests of customers are traced, not the questions of a supervisor.
	mux.Handle("/", otelhttp.NewHandler(e.recovered(inner), s.Name))
	f.server = &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: headerLimit,
		ReadTimeout:       exchangeLimit,
		WriteTimeout:      exchangeLimit,
		IdleTimeout:       idleLimit,
		MaxHeaderBytes:    maxHeader,
		BaseContext:       func(net.Listener) context.Context { return life },
		ErrorLog:          slog.NewLogLogger(e.Log.Handler(), slog.LevelWarn),
	}
	return f, nil
}

func (f *httpFront) serve(ready func()) error {
	l, err := net.Listen("tcp", f.listen)
	if err != nil {
		return err
	}
	f.ready.Store(true)
	ready()
	if err := f.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (f *httpFront) drain(ctx context.Context) {
	f.ready.Store(false)
	if err := f.server.Shutdown(ctx); err != nil {
		_ = f.server.Close() // what is left has had its time
	}
}

// recovered answers a request whose handler panics with 500.
func (e *Env) recovered(inner http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			switch {
			case p == nil:
			case p == http.ErrAbortHandler: //nolint:errorlint // net/http compares it so
				panic(p)
			default:
				e.Log.ErrorContext(r.Context(), "panic", "path", r.URL.Path, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
				w.Header().Set("Content-Type", "application/json; charset=utf-8")
				w.WriteHeader(http.StatusInternalServerError)
				fmt.Fprintln(w, `{"error":"internal","message":"the shop made a mistake"}`)
			}
		}()
		inner.ServeHTTP(w, r)
	})
}
