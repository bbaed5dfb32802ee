package relay

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/relay/message"
	"github.com/bedlamlab/bedlam/topology"
)

// mostPlaces is more than any link carries requests at a time.
const mostPlaces = 1000

func init() {
	register(Kind{
		Name: "capacity",
		Doc: "Gives each link so many places: a request has one for the service time before the callee hears of it, and waits in line until one is free. " +
			"A request that is called off meanwhile never arrives, but keeps its turn and its place all the same; when the rule goes, those that wait go on at once.",
		Args: append([]Arg{
			{Name: "concurrency", Type: "1…1000", Doc: "how many places a link has"},
			{Name: "service_time", Type: "duration", Doc: "how long a request has one, above 0s and up to 10m"},
		}, requestArgs...),
	}, decodeCapacity)
}

// capacity lets requests through in their order, so many in a time. How many
// depends on no clock but its own: it is the same on a quick machine and on a
// slow one.
type capacity struct {
	requests
	Concurrency int               `json:"concurrency"`
	ServiceTime topology.Duration `json:"service_time"`

	places *places // of the link; nil: see onLink
}

func decodeCapacity(r deploy.Rule) (harm, error) {
	var h capacity
	if err := decodeArgs(r.Args, &h); err != nil {
		return nil, err
	}
	if h.Concurrency < 1 || h.Concurrency > mostPlaces {
		return nil, fmt.Errorf("concurrency %d is not between 1 and %d", h.Concurrency, mostPlaces)
	}
	if d := h.ServiceTime.D(); d <= 0 || d > longest {
		return nil, fmt.Errorf("service_time %v is not above 0s and at most %v", d, longest)
	}
	err := h.validate(r)
	return h, err
}

// onLink gives a link its places.
func (h capacity) onLink() harm {
	h.places = &places{free: make([]time.Time, h.Concurrency)}
	return h
}

func (h capacity) meet(draws func(deploy.Direction) *rand.Rand) effect {
	return h.picked(draws, func(q message.Request, f *message.Fate, m *meeting) {
		f.Delays = append(f.Delays, message.Delay{For: h.places.turn(time.Now(), h.ServiceTime.D()), Until: m.posting.live})
		m.touchRequest(q)
	})
}

// Places are what a link's requests wait for. Who waits needs no name: when each
// place will be free says when the next one's turn is.
type places struct {
	mu   sync.Mutex
	free []time.Time // when each place is
}

// turn takes the place that is free first and returns how long it is, from now,
// until who came now has had it for the service time.
func (p *places) turn(now time.Time, service time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	first := 0
	for i, t := range p.free {
		if t.Before(p.free[first]) {
			first = i
		}
	}
	begin := now
	if p.free[first].After(now) {
		begin = p.free[first]
	}
	p.free[first] = begin.Add(service)
	return p.free[first].Sub(now)
}
