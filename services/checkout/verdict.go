package checkout

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A verdict is what the answer of a service means for the saga.
type verdict int

const (
	again   verdict = iota // not known, or not now: ask again
	done                   // it has happened
	refused                // it has not, and will not
	wrong                  // the request is wrong, and would be each time
)

// judge reads an error. Everything that is not a plain yes or no is a reason
// to ask again, because the effect may have happened; so is INTERNAL, which a
// service also says when it breaks after the effect.
func judge(err error) verdict {
	if err == nil {
		return done
	}
	switch status.Code(err) {
	case codes.FailedPrecondition:
		return refused
	case codes.InvalidArgument, codes.NotFound, codes.AlreadyExists, codes.OutOfRange:
		return wrong
	}
	return again
}

// unclear is an answer without an error that does not say what it should.
func unclear(what, state string) error {
	return status.Errorf(codes.Unavailable, "%s is %q so far", what, state)
}
