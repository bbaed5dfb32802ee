package collector

import (
	"encoding/hex"
	"time"
)

// A TraceID is a W3C trace id.
type TraceID [16]byte

// String returns the id in hexadecimal.
func (t TraceID) String() string { return hex.EncodeToString(t[:]) }

// A SpanID is a W3C span id; the zero value is none.
type SpanID [8]byte

// A Kind is a span's role, with OTLP's own numbers.
type Kind uint8

// The kinds.
const (
	Internal Kind = 1 + iota
	Server
	Client
	Producer
	Consumer
)

// A Span is the part of an OTLP span that Bedlam reasons about.
type Span struct {
	Trace    TraceID
	ID       SpanID
	Parent   SpanID
	Service  string // service.name
	Instance string // service.instance.id
	Name     string
	Kind     Kind
	Start    time.Time
	End      time.Time
	Error    bool   // status is error
	Message  string // of the status
	// Peer and PeerInstance name the callee of a client span: attributes
	// peer.service and peer.instance.
	Peer         string
	PeerInstance string
	Attempt      int    // attribute call.attempt, from 1; 0 on spans that are no attempt
	Code         string // rpc.grpc.status_code's name or http.response.status_code or db SQLSTATE; "" if none
	// Attrs holds the other attributes, as text.
	Attrs map[string]string
}

// Duration is how long the span lasted.
func (s Span) Duration() time.Duration { return s.End.Sub(s.Start) }
