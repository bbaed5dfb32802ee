package relay

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/names"
	"github.com/bedlamlab/bedlam/topology"
)

func init() {
	register(Kind{
		Name: "dns_delay",
		Doc: "Answers the caller's questions for the callee's name late. Connections that are there do not notice; " +
			"a resolver gives a question up after some seconds and asks again, so that a longer delay is no answer.",
		Args: []Arg{
			{Name: "latency", Type: "duration", Doc: "the mean delay, above 0s and up to 1m"},
			{Name: "jitter", Type: "duration", Default: "0s", Doc: "how far a delay strays from it, either way and evenly; at most latency"},
		},
	}, decodeDNSDelay)
}

// longestAnswer bounds the delay of an answer: every resolver has given up by
// then, and each question that waits takes memory.
const longestAnswer = time.Minute

// dnsDelay makes answers late.
type dnsDelay struct {
	aboutNames
	Latency topology.Duration `json:"latency"`
	Jitter  topology.Duration `json:"jitter"`
}

func decodeDNSDelay(r deploy.Rule) (harm, error) {
	var h dnsDelay
	if err := decodeArgs(r.Args, &h); err != nil {
		return nil, err
	}
	switch {
	case h.Latency <= 0 || h.Latency.D() > longestAnswer:
		return nil, fmt.Errorf("latency is %v, want above 0s and at most %v", h.Latency, longestAnswer)
	case h.Jitter < 0 || h.Jitter > h.Latency:
		return nil, errors.New("jitter must be between 0 and latency")
	}
	return h, h.plain(r)
}

// mislead implements [misleading]. Delays add up; one that goes unanswered has
// none.
func (h dnsDelay) mislead(f *names.Fate, draw *rand.Rand) bool {
	f.Late += h.Latency.D() + time.Duration((2*draw.Float64()-1)*float64(h.Jitter))
	return true
}
