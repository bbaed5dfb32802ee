package call

import (
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

var names = [...]string{
	codes.OK:                 "OK",
	codes.Canceled:           "CANCELLED",
	codes.Unknown:            "UNKNOWN",
	codes.InvalidArgument:    "INVALID_ARGUMENT",
	codes.DeadlineExceeded:   "DEADLINE_EXCEEDED",
	codes.NotFound:           "NOT_FOUND",
	codes.AlreadyExists:      "ALREADY_EXISTS",
	codes.PermissionDenied:   "PERMISSION_DENIED",
	codes.ResourceExhausted:  "RESOURCE_EXHAUSTED",
	codes.FailedPrecondition: "FAILED_PRECONDITION",
	codes.Aborted:            "ABORTED",
	codes.OutOfRange:         "OUT_OF_RANGE",
	codes.Unimplemented:      "UNIMPLEMENTED",
	codes.Internal:           "INTERNAL",
	codes.Unavailable:        "UNAVAILABLE",
	codes.DataLoss:           "DATA_LOSS",
	codes.Unauthenticated:    "UNAUTHENTICATED",
}

// Code returns the name of err's gRPC status, such as UNAVAILABLE; OK for nil
// and UNKNOWN for an error without a status.
func Code(err error) string {
	if c := status.Code(err); int(c) < len(names) {
		return names[c]
	}
	return names[codes.Unknown]
}

// Failed reports whether a code says that something went wrong, as opposed to
// an honest answer (not found, declined, sold out) or a caller that hung up.
func Failed(c codes.Code) bool {
	switch c {
	case codes.OK, codes.Canceled, codes.InvalidArgument, codes.NotFound, codes.AlreadyExists,
		codes.FailedPrecondition, codes.OutOfRange, codes.PermissionDenied, codes.Unauthenticated:
		return false
	}
	return true
}

// repeatable reports whether the same request may end otherwise elsewhere or
// a moment later. Every call of the shop is idempotent by its key, so an
// unknown outcome may be repeated too. RESOURCE_EXHAUSTED is not here: asking
// again is what an overloaded callee needs least.
func repeatable(c codes.Code) bool {
	return c == codes.Unavailable || c == codes.DeadlineExceeded || c == codes.Aborted
}

// blames reports whether a code speaks against the health of the instance
// that answered so. An overloaded one that says so is healthy.
func blames(c codes.Code) bool {
	switch c {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Internal, codes.Unknown, codes.DataLoss, codes.Unimplemented:
		return true
	}
	return false
}

// unsent is the status of a call that nobody was asked.
type unsent struct{ error }

// Unwrap lets the status be found.
func (u unsent) Unwrap() error { return u.error }

// Unsent reports whether a call failed before any attempt of it went out, so
// that it surely had no effect: the bulkhead was full, or every breaker open.
func Unsent(err error) bool {
	var u unsent
	return errors.As(err, &u)
}
