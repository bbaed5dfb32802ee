// Package http1 is an HTTP/1.1 client that keeps the one promise a load
// generator needs and the standard library does not make: it knows whether a
// request was sent. A request that may have reached a peer is never sent
// again; one of which no byte left this process goes to another peer.
//
// Use [Client.Do] to ask, and [Error.Sent] to learn what a failure means. It
// speaks plain TCP and HTTP/1.1 only: no TLS, no redirects, no compression, no
// proxies. It costs a fraction of net/http's processor time, because a request
// is one buffer, one write and one read on the goroutine that asks.
package http1

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// A Peer is one address that can answer.
type Peer struct {
	Instance string // its name, for reports
	Address  string // host:port
}

// An Answer is what came back. A Client fills it; its memory is reused by the
// next Do with the same Answer.
type Answer struct {
	Status     int
	Degraded   string // X-Degraded, "" without
	RetryAfter bool   // whether there was a Retry-After
	Body       []byte // whole; nil or empty without
	Peer       int    // which peer was asked last
	Misses     []Miss // peers that could not be asked, in order

	close bool // the connection serves no further request
}

// A Miss is a peer that could not be reached: nothing was sent to it.
type Miss struct {
	Peer     int
	From, To time.Time
	Reason   string // refused, dial_timeout, dial_failed, write_failed
}

// An Error says why there is no answer.
type Error struct {
	// Sent reports whether a byte of the request may have left. If not, the
	// request surely had no effect.
	Sent   bool
	Reason string // refused, dial_timeout, dial_failed, write_failed, timeout, reset, eof, malformed, too_large
	Err    error
}

// Error returns the reason, whether the request was sent, and the cause.
func (e *Error) Error() string {
	sent := "not sent"
	if e.Sent {
		sent = "sent"
	}
	return fmt.Sprintf("%s (%s): %v", e.Reason, sent, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// The causes that are not the network's.
var (
	ErrMalformed = errors.New("malformed response")
	ErrTooLarge  = errors.New("response too large")
)

// dialReason names a failure before anything was sent.
func dialReason(err error) string {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case timedOut(err):
		return "dial_timeout"
	}
	return "dial_failed"
}

// sentReason names a failure after something was sent.
func sentReason(err error) string {
	switch {
	case errors.Is(err, ErrTooLarge):
		return "too_large"
	case errors.Is(err, ErrMalformed):
		return "malformed"
	case timedOut(err):
		return "timeout"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "eof"
	}
	return "reset"
}

func timedOut(err error) bool {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return true
	}
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}
