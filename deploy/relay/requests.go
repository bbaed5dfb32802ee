package relay

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/relay/message"
	"github.com/bedlamlab/bedlam/topology"
)

// requestArgs are the arguments that every kind about requests has.
var requestArgs = []Arg{
	{Name: "method", Type: "GET|POST|…", Doc: "of HTTP; any unless given, and POST on every edge of gRPC"},
	{Name: "path", Type: "path", Doc: "without the query, or gRPC's full method such as /bank.v1.Bank/Charge; a segment * is any one, a * at the end any rest; any unless given"},
	{Name: "percent", Type: "percent", Default: "100", Doc: "share of those requests that are harmed, above 0 and up to 100; drawn for each"},
}

// requests says which requests a rule is about.
type requests struct {
	message.Route
	Percent *percent `json:"percent"`
}

func (r *requests) validate(rule deploy.Rule) error {
	if err := r.Route.Validate(); err != nil {
		return err
	}
	if r.Percent == nil {
		all := percent(100)
		r.Percent = &all
	}
	if *r.Percent <= 0 {
		return errors.New("percent must be above 0: the rule would do nothing")
	}
	if rule.Direction != deploy.Both {
		return errors.New("direction must be both: a request and its answer are one")
	}
	return nil
}

// suits implements [choosy].
func (requests) suits(p topology.Protocol) error {
	if p == topology.Postgres {
		return errNoRequests
	}
	return nil
}

// picked calls do for the share of the requests that are meant. Each connection
// has a stream of draws, of which every request of the route takes one.
func (r requests) picked(draws func(deploy.Direction) *rand.Rand, do meddler) effect {
	draw := draws(deploy.Both)
	return effect{requests: func(q message.Request, f *message.Fate, m *meeting) {
		if r.Matches(q) && draw.Float64()*100 < float64(*r.Percent) {
			do(q, f, m)
		}
	}}
}

// suitsStatus says why a status is not for an edge of that protocol.
func suitsStatus(s message.Status, p topology.Protocol) error {
	if !s.IsZero() && s.GRPC() != (p == topology.GRPC) {
		return fmt.Errorf("status %s is not one of %s", s, p)
	}
	return nil
}
