// Package answer gives a service's refusals the form by which a caller can
// tell what to do next. What fails unplanned needs no answer from here: the
// server turns it into a status.
//
//   - [Invalid]: the request itself is wrong; asking again will not help.
//     [Text] says so of a name or a key.
//   - [Refused]: the request is fine, the state of things is not. It carries a
//     reason that a program can read back with [Reason].
//   - [Again] repeats a statement that PostgreSQL broke off to end a deadlock,
//     so that no answer is needed.
package answer

import (
	"fmt"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// domain marks the reasons as the shop's own, as ErrorInfo wants it.
const domain = "shop"

// Invalid returns INVALID_ARGUMENT: which field of the request is wrong, and
// why.
func Invalid(field, format string, args ...any) error {
	return status.Errorf(codes.InvalidArgument, "%s: %s", field, fmt.Sprintf(format, args...))
}

// Refused returns FAILED_PRECONDITION with a reason in capitals ("SOLD_OUT")
// that stays the same while the words of the message may change.
func Refused(reason, format string, args ...any) error {
	s := status.Newf(codes.FailedPrecondition, format, args...)
	detailed, err := s.WithDetails(&errdetails.ErrorInfo{Reason: reason, Domain: domain})
	if err != nil {
		return s.Err() // the refusal matters more than its detail
	}
	return detailed.Err()
}

// Reason returns the reason that [Refused] gave, also after it has crossed the
// wire, or "" if the error carries none.
func Reason(err error) string {
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok && info.GetDomain() == domain {
			return info.GetReason()
		}
	}
	return ""
}
