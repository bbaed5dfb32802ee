package call

import (
	"errors"
	"time"

	"github.com/sony/gobreaker/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// pick chooses the instance for an attempt: in turn, without those whose
// breaker is open, and avoid only if there is no other. The second result
// takes the outcome and must be called once.
//
// A half-open breaker lets its few probes through here as if it were closed:
// were closed ones preferred, a healed instance would never be asked again.
func (c *Client) pick(avoid *peer) (*peer, func(error), error) {
	if len(c.peers) == 0 {
		return nil, nil, status.Errorf(codes.Unavailable, "%s: no instance of it is known", c.service)
	}
	first := int(c.turn.Add(1) - 1)
	for i := range c.peers {
		p := c.peers[(first+i)%len(c.peers)]
		if p == avoid {
			continue
		}
		if done, ok := p.allow(); ok {
			return p, done, nil
		}
	}
	if avoid != nil {
		if done, ok := avoid.allow(); ok {
			return avoid, done, nil
		}
	}
	return nil, nil, status.Errorf(codes.Unavailable, "%s: breaker open at every instance", c.service)
}

func (p *peer) allow() (func(error), bool) {
	if p.breaker == nil {
		return func(error) {}, true
	}
	done, err := p.breaker.Allow()
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		return nil, false
	}
	return done, true
}

// evidence is what the breaker is told of an outcome. A timeout that came
// because the caller had hardly any time left says nothing about the
// instance: it counts only if the instance had at least half of the time that
// the policy grants it.
func (c *Client) evidence(err error, took time.Duration) error {
	if status.Code(err) == codes.DeadlineExceeded && c.policy.Timeout > 0 && took < c.policy.Timeout.D()/2 {
		return errNotBlamed
	}
	return err
}
