package message

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// A Status is the code of an answer that reports a failure: one of HTTP, from
// 400 to 599, or the name of one of gRPC. The zero value is none.
type Status struct {
	http int
	grpc string
}

// codes are gRPC's names, each in the place of its number.
var codes = []string{"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
	"PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL",
	"UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"}

// Unavailable is the status of an edge that has got no other: 503 or UNAVAILABLE.
func Unavailable(grpc bool) Status {
	if grpc {
		return Status{grpc: "UNAVAILABLE"}
	}
	return Status{http: http.StatusServiceUnavailable}
}

// ParseStatus reads a status as experiments write it: 503 or UNAVAILABLE.
func ParseStatus(text string) (Status, error) {
	if n, err := strconv.Atoi(text); err == nil {
		if n < 400 || n > 599 {
			return Status{}, fmt.Errorf("status %d is no failure of HTTP (want 400 to 599)", n)
		}
		return Status{http: n}, nil
	}
	if i := slices.Index(codes, text); i > 0 {
		return Status{grpc: text}, nil
	}
	return Status{}, fmt.Errorf("unknown status %.40q (want 400 to 599, or for gRPC one of %s)", text, strings.Join(codes[1:], ", "))
}

// GRPCStatus returns the status that gRPC writes as that number; the zero value
// if there is none, or it is OK.
func GRPCStatus(number string) Status {
	if n, err := strconv.Atoi(number); err == nil && n > 0 && n < len(codes) {
		return Status{grpc: codes[n]}
	}
	return Status{}
}

// IsZero reports whether s is none.
func (s Status) IsZero() bool { return s == Status{} }

// GRPC reports whether s is a status of gRPC.
func (s Status) GRPC() bool { return s.grpc != "" }

// HTTP is the number of a status of HTTP; 200 of one of gRPC, which is answered
// in its trailers.
func (s Status) HTTP() int {
	if s.GRPC() {
		return http.StatusOK
	}
	return s.http
}

// Number is the number of a status of gRPC; 0 of another.
func (s Status) Number() int { return max(0, slices.Index(codes, s.grpc)) }

// String is the status as experiments write it; empty for none.
func (s Status) String() string {
	switch {
	case s.GRPC():
		return s.grpc
	case s.http != 0:
		return strconv.Itoa(s.http)
	}
	return ""
}

// MarshalJSON writes the status as a text.
func (s Status) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// UnmarshalJSON reads a number or a text.
func (s *Status) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) != nil {
		text = string(b)
	}
	if text == "" {
		*s = Status{}
		return nil
	}
	var err error
	*s, err = ParseStatus(text)
	return err
}
