package collector

import (
	"bytes"
	"encoding/hex"
	"math"
	"strconv"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

const (
	// maxText is the longest text kept in memory, in bytes: a statement or an
	// error message says what it has to say within it, and one span cannot
	// take the room of a hundred. The folder has the whole.
	maxText = 512
	// maxAttrs is the most attributes of a span kept in memory; the SDKs' own
	// limit is 128, and the shop's spans have fewer than ten that matter.
	maxAttrs = 32
	// maxNesting is the deepest attribute value that is read; no convention
	// nests at all.
	maxNesting = 4
)

// attribute reads a KeyValue. The value is the text itself, or q.text's copy
// of what another type looks like.
func (q *request) attribute(b []byte) (a attr, err error) {
	err = fields(b, func(num protowire.Number, typ protowire.Type, v []byte, _ uint64) error {
		if typ != protowire.BytesType {
			return nil
		}
		switch num {
		case 1:
			a.key = cut(v)
		case 2:
			a.value, err = q.value(v)
			return err
		}
		return nil
	})
	return a, err
}

func (q *request) value(b []byte) (text []byte, err error) {
	err = fields(b, func(num protowire.Number, typ protowire.Type, v []byte, _ uint64) error {
		if num == 1 && typ == protowire.BytesType { // string_value, nearly always
			text = cut(v)
			return nil
		}
		return nil
	})
	if err != nil || text != nil {
		return text, err
	}
	from := len(q.text)
	q.text, err = appendValue(q.text, b, 0)
	return cut(q.text[from:]), err
}

// appendValue appends an AnyValue as text; lists and maps look like JSON.
func appendValue(dst, b []byte, depth int) ([]byte, error) {
	if depth > maxNesting {
		return append(dst, "…"...), nil
	}
	err := fields(b, func(num protowire.Number, typ protowire.Type, v []byte, n uint64) (err error) {
		switch {
		case num == 1 && typ == protowire.BytesType:
			if depth == 0 {
				dst = append(dst, v...)
			} else {
				dst = strconv.AppendQuote(dst, string(v))
			}
		case num == 2 && typ == protowire.VarintType:
			dst = strconv.AppendBool(dst, n != 0)
		case num == 3 && typ == protowire.VarintType:
			dst = strconv.AppendInt(dst, int64(n), 10)
		case num == 4 && typ == protowire.Fixed64Type:
			dst = strconv.AppendFloat(dst, math.Float64frombits(n), 'g', -1, 64)
		case num == 5 && typ == protowire.BytesType:
			dst, err = appendList(append(dst, '['), v, depth)
			dst = append(dst, ']')
		case num == 6 && typ == protowire.BytesType:
			dst, err = appendMap(append(dst, '{'), v, depth)
			dst = append(dst, '}')
		case num == 7 && typ == protowire.BytesType:
			dst = hex.AppendEncode(dst, v)
		}
		return err
	})
	return dst, err
}

func appendList(dst, b []byte, depth int) ([]byte, error) {
	first := true
	err := fields(b, func(num protowire.Number, typ protowire.Type, v []byte, _ uint64) (err error) {
		if num != 1 || typ != protowire.BytesType {
			return nil
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst, err = appendValue(dst, v, depth+1)
		return err
	})
	return dst, err
}

func appendMap(dst, b []byte, depth int) ([]byte, error) {
	first := true
	err := fields(b, func(num protowire.Number, typ protowire.Type, v []byte, _ uint64) error {
		if num != 1 || typ != protowire.BytesType {
			return nil
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		return fields(v, func(num protowire.Number, typ protowire.Type, v []byte, _ uint64) (err error) {
			switch {
			case num == 1 && typ == protowire.BytesType:
				dst = append(strconv.AppendQuote(dst, string(v)), ':')
			case num == 2 && typ == protowire.BytesType:
				dst, err = appendValue(dst, v, depth+1)
			}
			return err
		})
	})
	return dst, err
}

// Where a span's code came from: a call's own status says more than that of
// the transport below it.
const (
	codeSQL uint8 = 1 + iota
	codeHTTP
	codeRPC
)

// take gives an attribute its place in the span: a field of its own, among
// the other attributes, or none.
func (q *request) take(s *view, a attr) {
	switch string(a.key) {
	case "peer.service":
		s.peer = a.value
	case "peer.instance":
		s.peerInstance = a.value
	case "call.attempt":
		if n, err := strconv.ParseUint(string(a.value), 10, 16); err == nil {
			s.attempt = uint16(n)
		}
	case "rpc.grpc.status_code", "rpc.response.status_code":
		s.setCode(codeRPC, rpcName(a.value))
	case "http.response.status_code", "http.status_code":
		s.setCode(codeHTTP, a.value)
	case "db.response.status_code", "pgx.sql_state":
		s.setCode(codeSQL, a.value)
	default:
		if len(q.attrs)-s.from < maxAttrs && len(a.key) > 0 && !noise(a.key) {
			q.attrs = append(q.attrs, a)
		}
	}
}

func (s *view) setCode(rank uint8, code []byte) {
	if rank >= s.codeRank {
		s.code, s.codeRank = code, rank
	}
}

// noise reports whether an attribute says nothing about why a request went as
// it did: addresses and ports of sockets (instances have names), sizes,
// stacks, and the text of an exception (the status's message already is it).
func noise(key []byte) bool {
	switch string(key) {
	case "exception.message", "exception.stacktrace", "exception.escaped",
		"http.request.body.size", "http.response.body.size",
		"db.namespace", "db.user", "user.name", "pgx.prepare_stmt.name":
		return true
	}
	for _, p := range noisy {
		if bytes.HasPrefix(key, p) {
			return true
		}
	}
	return false
}

var noisy = [][]byte{
	[]byte("net."), []byte("network."), []byte("server."), []byte("client."), []byte("url."),
	[]byte("user_agent."), []byte("thread."), []byte("code."), []byte("process."),
	[]byte("host."), []byte("telemetry."), []byte("otel."),
}

// rpcNames are gRPC's status codes by number.
var rpcNames = [...][]byte{
	[]byte("OK"), []byte("CANCELLED"), []byte("UNKNOWN"), []byte("INVALID_ARGUMENT"),
	[]byte("DEADLINE_EXCEEDED"), []byte("NOT_FOUND"), []byte("ALREADY_EXISTS"),
	[]byte("PERMISSION_DENIED"), []byte("RESOURCE_EXHAUSTED"), []byte("FAILED_PRECONDITION"),
	[]byte("ABORTED"), []byte("OUT_OF_RANGE"), []byte("UNIMPLEMENTED"), []byte("INTERNAL"),
	[]byte("UNAVAILABLE"), []byte("DATA_LOSS"), []byte("UNAUTHENTICATED"),
}

// rpcName returns a status code's name, be it given as a number or as a name.
func rpcName(b []byte) []byte {
	if len(b) == 0 || len(b) > 2 {
		return b
	}
	if n, err := strconv.ParseUint(string(b), 10, 8); err == nil && n < uint64(len(rpcNames)) {
		return rpcNames[n]
	}
	return b
}

// cut bounds a text to maxText bytes, at a rune's edge.
func cut(b []byte) []byte {
	if len(b) <= maxText {
		return b
	}
	n := maxText
	for n > maxText-utf8.UTFMax && !utf8.RuneStart(b[n]) {
		n--
	}
	return b[:n]
}
