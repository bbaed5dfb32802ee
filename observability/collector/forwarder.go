package collector

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

const (
	// maxQueue bounds what waits to be passed on, in bytes: some ten seconds
	// of a busy shop, after which a receiver that does not answer loses data.
	maxQueue = 16 << 20
	// maxPost bounds one request, in bytes; receivers commonly refuse more
	// than a few megabytes.
	maxPost = 1 << 20
	// postPatience bounds one request in time, as the SDKs do.
	postPatience = 10 * time.Second
	// complainEvery is how often failures are logged.
	complainEvery = 30 * time.Second
)

// A forwarder passes requests on in the background, in the order in which
// they came; add never waits.
type forwarder struct {
	targets map[string]Target // by signal
	client  *http.Client
	log     *slog.Logger
	wake    chan struct{}
	stop    chan struct{}
	done    chan struct{}

	mu             sync.Mutex
	queue          []forwarded
	size           int
	passed, failed int64
	complained     time.Time
	closed         bool
}

type forwarded struct {
	signal   string
	body     []byte
	requests int64
}

func newForwarder(f Forward, log *slog.Logger) *forwarder {
	w := &forwarder{
		targets: map[string]Target{spansSignal: f.Traces, metricsSignal: f.Metrics, logsSignal: f.Logs},
		// A client of its own: Close must not cut the connections of others.
		client: &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 1}, Timeout: postPatience},
		log:    log, wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	go w.run()
	return w
}

// add passes a copy of body on, if its signal goes anywhere.
func (w *forwarder) add(signal string, body []byte) {
	if w.targets[signal].URL == "" || len(body) == 0 {
		return
	}
	w.mu.Lock()
	switch last := len(w.queue) - 1; {
	case w.closed || w.size+len(body) > maxQueue:
		w.failed++
		w.complain("the queue is full")
	// Concatenated protobuf messages are one message, so small requests travel
	// together.
	case last >= 0 && w.queue[last].signal == signal && len(w.queue[last].body)+len(body) <= maxPost:
		w.queue[last].body = append(w.queue[last].body, body...)
		w.queue[last].requests++
		w.size += len(body)
	default:
		w.queue = append(w.queue, forwarded{signal: signal, body: bytes.Clone(body), requests: 1})
		w.size += len(body)
	}
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *forwarder) run() {
	defer close(w.done)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { // a stop interrupts the request in flight
		select {
		case <-w.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	for {
		w.mu.Lock()
		var next forwarded
		ok := len(w.queue) > 0
		if ok {
			next = w.queue[0]
			w.queue[0] = forwarded{}
			w.queue = w.queue[1:]
			w.size -= len(next.body)
		}
		closed := w.closed
		w.mu.Unlock()
		if !ok {
			if closed {
				return
			}
			select {
			case <-w.wake:
			case <-w.stop:
				return
			}
			continue
		}
		err := w.post(ctx, next)
		w.mu.Lock()
		if err != nil {
			w.failed += next.requests
			w.complain(err.Error())
		} else {
			w.passed += next.requests
		}
		w.mu.Unlock()
		if ctx.Err() != nil {
			return
		}
	}
}

func (w *forwarder) post(ctx context.Context, f forwarded) error {
	target := w.targets[f.signal]
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, target.URL, bytes.NewReader(f.body))
	if err != nil {
		return err
	}
	for name, values := range target.Header {
		q.Header[name] = values
	}
	q.Header.Set("Content-Type", protobufType)
	a, err := w.client.Do(q)
	if err != nil {
		return err
	}
	defer a.Body.Close()
	// Read what is there, so that the connection can be used again.
	io.Copy(io.Discard, io.LimitReader(a.Body, 64<<10))
	if a.StatusCode/100 != 2 {
		return fmt.Errorf("%s answered %s", target.URL, a.Status)
	}
	return nil
}

// complain logs a failure, at most now and then; the caller holds w.mu.
func (w *forwarder) complain(why string) {
	if time.Since(w.complained) < complainEvery {
		return
	}
	w.complained = time.Now()
	w.log.Warn("telemetry could not be forwarded", "failed", w.failed, "forwarded", w.passed, "error", why)
}

func (w *forwarder) counts() (passed, failed int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.passed, w.failed
}

// close passes on what waits until ctx is done; what is left then has failed.
func (w *forwarder) close(ctx context.Context) {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
	select {
	case <-w.done:
	case <-ctx.Done():
	}
	close(w.stop)
	<-w.done
	w.mu.Lock()
	for _, f := range w.queue {
		w.failed += f.requests
	}
	w.queue, w.size = nil, 0
	w.mu.Unlock()
	w.client.CloseIdleConnections()
}
