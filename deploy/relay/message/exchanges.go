package message

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

// exchanges is one connection of HTTP/1 through us.
type exchanges struct {
	Wire
	ctx   context.Context
	proxy *httputil.ReverseProxy
	once  *once
	done  func()

	hijacked atomic.Bool
}

// runExchanges passes requests and answers until one side has gone.
func runExchanges(ctx context.Context, w Wire, said *bufio.Reader) {
	ln := &single{conn: sniffed{w.Caller, said}, closed: make(chan struct{})}
	x := &exchanges{Wire: w, ctx: ctx, once: &once{conn: w.Callee}, done: ln.end}
	t := &http.Transport{
		DialContext: x.once.dial, MaxConnsPerHost: 1, DisableCompression: true,
		// Who expects 100-continue and is not told so may go on after a while,
		// as RFC 9110 wants it.
		ExpectContinueTimeout: time.Second,
	}
	quiet := log.New(io.Discard, "", 0)
	x.proxy = &httputil.ReverseProxy{
		Transport: t, Rewrite: x.rewrite, ModifyResponse: modify, ErrorHandler: x.broken, ErrorLog: quiet,
		FlushInterval: -1, // bytes go on when they come
	}
	s := &http.Server{
		Handler: x, ErrorLog: quiet, DisableGeneralOptionsHandler: true,
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateIdle:
				if x.once.over() {
					w.Caller.Close() // the callee has closed between two requests
				}
			case http.StateHijacked:
				x.hijacked.Store(true)
			case http.StateClosed:
				ln.end()
			}
		},
	}
	x.once.gone = func(idle bool) {
		if idle {
			w.Caller.Close()
		}
	}
	s.Serve(ln) // returns when the connection has ended
	t.CloseIdleConnections()
	w.Caller.Close()
	w.Callee.Close()
}

// ServeHTTP lets one request meet its fate.
func (x *exchanges) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x.once.busy(true)
	defer x.once.busy(false)
	f := x.Fate(Request{Method: r.Method, Path: r.URL.Path, Trace: traceID(r.Header.Get("Traceparent"))})
	if !wait(r.Context(), f) {
		panic(http.ErrAbortHandler) // the caller has gone
	}
	if f.Abort != nil {
		answer(w, *f.Abort)
		return
	}
	if f.Copied != nil {
		x.repeat(r, f.Copied)
	}
	if f.Lose != nil {
		x.lose(w, r, *f.Lose)
		return
	}
	// No date and no type that the callee has not given.
	w.Header()["Date"], w.Header()["Content-Type"] = nil, nil
	x.proxy.ServeHTTP(w, r)
	if x.hijacked.Load() { // by another protocol, which is through
		x.done()
	}
}

// wait holds a request back; false: its caller has gone meanwhile.
func wait(ctx context.Context, f Fate) bool {
	for _, d := range f.Delays {
		t := time.NewTimer(d.For)
		select {
		case <-t.C:
		case <-d.Until.Done():
		case <-ctx.Done():
		}
		t.Stop()
	}
	return ctx.Err() == nil
}

// answer writes an answer of ours.
func answer(w http.ResponseWriter, a Answer) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(a.Text)))
	if a.Status.IsZero() {
		a.Status = Unavailable(false)
	}
	w.WriteHeader(a.Status.HTTP())
	io.WriteString(w, a.Text)
}

// lose asks the callee and keeps what it answers.
func (x *exchanges) lose(w http.ResponseWriter, r *http.Request, l Loss) {
	x.proxy.ServeHTTP(nowhere{header: http.Header{}}, r)
	if l.Lost != nil {
		l.Lost()
	}
	switch {
	case l.Silent:
		<-r.Context().Done()
	case l.Instead != nil:
		answer(w, *l.Instead)
		return
	default:
		x.Caller.SetLinger(0)
	}
	panic(http.ErrAbortHandler)
}

// nowhere is where an answer is lost.
type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header         { return n.header }
func (n nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (n nowhere) WriteHeader(int)             {}

// repeat sends a copy of the request when its body has been read.
func (x *exchanges) repeat(r *http.Request, done func()) {
	q := &copied{method: r.Method, path: r.URL.RequestURI(), authority: r.Host, header: r.Header.Clone()}
	send := func() { x.Go(func() { x.send(x.ctx, q, false, done) }) }
	if r.ContentLength == 0 {
		send()
		return
	}
	r.Body = &tee{ReadCloser: r.Body, to: q, whole: send}
}

// A tee copies a body while it is read.
type tee struct {
	io.ReadCloser
	to    *copied // nil: it is whole, and out of our hands
	whole func()
}

func (t *tee) Read(b []byte) (int, error) {
	n, err := t.ReadCloser.Read(b)
	if t.to == nil {
		return n, err
	}
	t.to.write(b[:n])
	if errors.Is(err, io.EOF) && !t.to.large {
		t.to = nil
		t.whole()
	}
	return n, err
}

// rewrite leaves a request as it is: what the proxy takes out of it for safety's
// sake is the system's own.
func (x *exchanges) rewrite(p *httputil.ProxyRequest) {
	p.Out.URL = &url.URL{Scheme: "http", Host: x.Callee.RemoteAddr().String(), Opaque: p.In.URL.Opaque,
		Path: p.In.URL.Path, RawPath: p.In.URL.RawPath, RawQuery: p.In.URL.RawQuery, ForceQuery: p.In.URL.ForceQuery}
	p.Out.Host = p.In.Host
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
		if v, ok := p.In.Header[name]; ok {
			p.Out.Header[name] = v
		}
	}
}

// modify has the connection end with an answer if the callee's does.
func modify(r *http.Response) error {
	if r.Close {
		r.Header.Set("Connection", "close")
	}
	return nil
}

// broken ends the caller's connection as the callee's has ended.
func (x *exchanges) broken(_ http.ResponseWriter, _ *http.Request, err error) {
	if errors.Is(err, syscall.ECONNRESET) {
		x.Caller.SetLinger(0)
	}
	panic(http.ErrAbortHandler)
}
