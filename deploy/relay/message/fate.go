package message

import (
	"context"
	"strings"
	"time"
)

// A Request is what a fate is decided by.
type Request struct {
	Method string // of HTTP; gRPC always says POST
	Path   string // without the query; of gRPC "/package.Service/Method"
	Trace  string // the trace id of its traceparent, 32 hexadecimal digits, or empty
}

// A Fate is what happens to one request. The zero value lets it pass.
type Fate struct {
	// Delays hold the request back, one after the other, before anything else
	// happens to it.
	Delays []Delay
	// Abort, if not nil, answers in the place of the callee, which never hears
	// of the request.
	Abort *Answer
	// Lose, if not nil, takes the callee's answer away when it is complete.
	Lose *Loss
	// Copied, if not nil, asks for a copy of the request: it is called when the
	// callee has answered that too.
	Copied func()
}

// A Delay holds a request back.
type Delay struct {
	For   time.Duration
	Until context.Context // ends it early
}

// An Answer stands in for the callee's.
type Answer struct {
	Status Status // none: [Unavailable]
	Text   string // the status message of gRPC, the body of HTTP/1
}

// A Loss is an answer that does not arrive.
type Loss struct {
	Silent  bool    // nothing comes in its place
	Instead *Answer // this comes in its place; nil and not Silent: a reset of the stream, or of an HTTP/1 connection
	Lost    func()  // called when it was lost
}

// traceID returns the trace id of a W3C traceparent; empty if it is none.
func traceID(parent string) string {
	parts := strings.Split(parent, "-")
	if len(parts) < 4 || len(parts[1]) != 32 {
		return ""
	}
	return parts[1]
}
