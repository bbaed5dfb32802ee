package bedlam

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/bedlamlab/bedlam/deploy/relay/clock"
)

// The pages of the comparison's server.
const (
	benchEcho = "/echo" // answers at once
	benchWait = "/wait" // answers after benchDelay: the control of a latency
	benchPour = "/pour" // never stops sending
)

// serveBench is the server's whole life. Its parent's end is the end of stdin.
func serveBench(ctx context.Context, stdin io.Reader, out io.Writer) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ticks, err := clock.New()
	if err != nil {
		return errors.Join(err, l.Close())
	}
	defer ticks.Close()
	answer := func(w http.ResponseWriter) { io.WriteString(w, "ok") }
	pages := http.NewServeMux()
	pages.HandleFunc(benchEcho, func(w http.ResponseWriter, _ *http.Request) { answer(w) })
	pages.HandleFunc(benchWait, func(w http.ResponseWriter, q *http.Request) {
		// A control has to be more exact than what it is held against: Go's own
		// timers would add their lateness to it.
		if ticks.Sleep(q.Context(), time.Now().Add(benchDelay)) == nil {
			answer(w)
		}
	})
	pages.HandleFunc(benchPour, func(w http.ResponseWriter, _ *http.Request) {
		// A length, so that nothing but the bytes is sent; more than anybody reads.
		w.Header().Set("Content-Length", strconv.FormatInt(1<<50, 10))
		block := make([]byte, 64<<10)
		for {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})
	s := &http.Server{Handler: pages, ReadHeaderTimeout: time.Minute}
	ended := make(chan struct{})
	go func() {
		io.Copy(io.Discard, stdin) // until the parent has gone
		close(ended)
	}()
	go func() {
		select {
		case <-ended:
		case <-ctx.Done():
		}
		s.Close()
	}()
	if _, err := fmt.Fprintln(out, l.Addr()); err != nil {
		return errors.Join(err, l.Close())
	}
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
