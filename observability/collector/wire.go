package collector

import (
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// A request is a body of OTLP spans, taken apart without copying: its views
// point into the body. The wire format is read directly because the types
// generated for OTLP make some forty allocations a span, and the collector
// shares its cores with the system under test (see BenchmarkIngest).
type request struct {
	spans     []view
	attrs     []attr
	text      []byte // attributes that were no strings, as text
	malformed int64  // spans without a usable id
}

// A view is one span as it lies in a body.
type view struct {
	trace              TraceID
	id, parent         SpanID
	kind               Kind
	failed             bool
	attempt            uint16
	codeRank           uint8 // which attribute code came from
	start, end         int64 // nanoseconds since 1970
	service, instance  []byte
	name, message      []byte
	peer, peerInstance []byte
	code               []byte
	from, to           int // its attributes in request.attrs
}

// An attr is one attribute, its value as text.
type attr struct{ key, value []byte }

func (q *request) reset() {
	clear(q.spans)
	clear(q.attrs)
	q.spans, q.attrs, q.text, q.malformed = q.spans[:0], q.attrs[:0], q.text[:0], 0
}

var errWire = errors.New("malformed protobuf")

// fields calls f for each field of a message. v is the payload of a bytes
// field, n the value of any other.
func fields(b []byte, f func(num protowire.Number, typ protowire.Type, v []byte, n uint64) error) error {
	for len(b) > 0 {
		num, typ, size := protowire.ConsumeTag(b)
		if size < 0 {
			return errWire
		}
		b = b[size:]
		var v []byte
		var n uint64
		switch typ {
		case protowire.BytesType:
			v, size = protowire.ConsumeBytes(b)
		case protowire.VarintType:
			n, size = protowire.ConsumeVarint(b)
		case protowire.Fixed64Type:
			n, size = protowire.ConsumeFixed64(b)
		case protowire.Fixed32Type:
			var n32 uint32
			n32, size = protowire.ConsumeFixed32(b)
			n = uint64(n32)
		default: // groups are not used by OTLP
			size = protowire.ConsumeFieldValue(num, typ, b)
		}
		if size < 0 {
			return errWire
		}
		b = b[size:]
		if err := f(num, typ, v, n); err != nil {
			return err
		}
	}
	return nil
}

// parse takes an ExportTraceServiceRequest apart. q must be empty; after an
// error it is of no use. Field numbers are those of opentelemetry-proto.
func (q *request) parse(body []byte) error {
	err := fields(body, func(num protowire.Number, typ protowire.Type, v []byte, _ uint64) error {
		if num != 1 || typ != protowire.BytesType { // resource_spans
			return nil
		}
		return q.resourceSpans(v)
	})
	if err != nil {
		return fmt.Errorf("reading spans: %w", err)
	}
	return nil
}

func (q *request) resourceSpans(b []byte) error {
	first := len(q.spans)
	var service, instance []byte
	err := fields(b, func(num protowire.Number, typ protowire.Type, v []byte, _ uint64) error {
		switch {
		case typ != protowire.BytesType:
			return nil
		case num == 1: // resource
			return fields(v, func(num protowire.Number, typ protowire.Type, v []byte, _ uint64) error {
				if num != 1 || typ != protowire.BytesType { // attributes
					return nil
				}
				a, err := q.attribute(v)
				switch string(a.key) {
				case "service.name":
					service = a.value
				case "service.instance.id":
					instance = a.value
				}
				return err
			})
		case num == 2: // scope_spans
			return fields(v, func(num protowire.Number, typ protowire.Type, v []byte, _ uint64) error {
				if num != 2 || typ != protowire.BytesType { // spans
					return nil
				}
				return q.span(v)
			})
		}
		return nil
	})
	// The resource may stand behind its spans on the wire.
	for i := first; i < len(q.spans); i++ {
		q.spans[i].service, q.spans[i].instance = service, instance
	}
	return err
}

func (q *request) span(b []byte) error {
	s := view{kind: Internal, from: len(q.attrs)}
	var trace, id, parent []byte
	var events bool
	err := fields(b, func(num protowire.Number, typ protowire.Type, v []byte, n uint64) error {
		switch {
		case num == 1 && typ == protowire.BytesType:
			trace = v
		case num == 2 && typ == protowire.BytesType:
			id = v
		case num == 4 && typ == protowire.BytesType:
			parent = v
		case num == 5 && typ == protowire.BytesType:
			s.name = cut(v)
		case num == 6 && typ == protowire.VarintType:
			if n >= uint64(Internal) && n <= uint64(Consumer) {
				s.kind = Kind(n)
			}
		case num == 7 && typ == protowire.Fixed64Type:
			s.start = int64(min(n, math.MaxInt64))
		case num == 8 && typ == protowire.Fixed64Type:
			s.end = int64(min(n, math.MaxInt64))
		case num == 9 && typ == protowire.BytesType:
			a, err := q.attribute(v)
			if err != nil {
				return err
			}
			q.take(&s, a)
		case num == 11 && typ == protowire.BytesType:
			events = true
		case num == 15 && typ == protowire.BytesType:
			return s.status(v)
		}
		return nil
	})
	if err == nil && events {
		err = q.events(&s, b)
	}
	if err != nil {
		return err
	}
	s.to = len(q.attrs)
	if !s.identify(trace, id, parent) {
		q.attrs = q.attrs[:s.from]
		q.malformed++
		return nil
	}
	// A clock that was set back must not make a span that ends before it
	// began: windows and durations rest on the order.
	s.end = max(s.start, s.end)
	q.spans = append(q.spans, s)
	return nil
}

// identify sets the ids; it refuses those that OTLP calls invalid: of another
// length, or all zero. A parent may be missing.
func (s *view) identify(trace, id, parent []byte) bool {
	if len(trace) != len(s.trace) || len(id) != len(s.id) || len(parent) != 0 && len(parent) != len(s.parent) {
		return false
	}
	copy(s.trace[:], trace)
	copy(s.id[:], id)
	copy(s.parent[:], parent)
	return s.trace != TraceID{} && s.id != SpanID{}
}

func (s *view) status(b []byte) error {
	return fields(b, func(num protowire.Number, typ protowire.Type, v []byte, n uint64) error {
		switch {
		case num == 2 && typ == protowire.BytesType:
			s.message = cut(v)
		case num == 3 && typ == protowire.VarintType:
			s.failed = n == 2 // STATUS_CODE_ERROR
		}
		return nil
	})
}
