package relay

import (
	"encoding/json"
	"errors"
	"math/rand/v2"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/topology"
)

func init() {
	register(Kind{
		Name: "dial_latency",
		Doc: "Delays the setting-up of connections and nothing else: the callee is dialled late, and what the caller says meanwhile waits. " +
			"Connections that are there already do not notice. A set-up has no direction, so the rule's must be both; it is delayed once.",
		Args: []Arg{
			{Name: "latency", Type: "duration", Default: "0s", Doc: "the mean delay, up to 10m"},
			{Name: "jitter", Type: "duration", Default: "0s", Doc: "how far a delay strays, as of kind latency"},
			{Name: "distribution", Type: "uniform|normal|pareto|paretonormal", Default: "uniform", Doc: "of the jitter"},
		},
	}, decodeDialLatency)
}

// dialLatency delays set-ups. Its arguments are those of latency but for the
// correlation: a connection has one set-up and none before it.
type dialLatency struct{ latency }

func decodeDialLatency(r deploy.Rule) (harm, error) {
	var args struct {
		Latency      topology.Duration `json:"latency"`
		Jitter       topology.Duration `json:"jitter"`
		Distribution string            `json:"distribution"`
	}
	if err := decodeArgs(r.Args, &args); err != nil {
		return nil, err
	}
	if r.Direction != deploy.Both {
		return nil, errors.New("direction must be both: a set-up takes both ways")
	}
	plain, err := json.Marshal(args)
	if err != nil {
		return nil, err
	}
	l, err := decodeLatency(deploy.Rule{Args: plain})
	if err != nil {
		return nil, err
	}
	return dialLatency{l.(latency)}, nil
}

func (h dialLatency) meet(draws func(deploy.Direction) *rand.Rand) effect {
	return effect{to: &dialDelay{delay{latency: h.latency, draw: draws(deploy.To)}}}
}

// dialDelay delays the set-up of one connection.
type dialDelay struct{ delay }

func (d *dialDelay) shape(c chunk, emit func(chunk)) bool {
	if c.mark != opening {
		emit(c)
		return false
	}
	return d.delay.shape(c, emit)
}
