package fault

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/names"
	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/topology"
)

// dnsDelay makes callers wait for the addresses of callees.
type dnsDelay struct {
	named
	Delay struct {
		Latency topology.Duration `json:"latency"`
		Jitter  topology.Duration `json:"jitter,omitempty"`
	} `json:"delay"`
}

func init() {
	register(Kind{Name: "dns_delay", On: onEdges, Needs: naming,
		Doc: "Answers the callers' questions for the callees' names late. Who has connections does not notice; who makes new ones, " +
			"after a cut or a restart, waits. On process it needs --isolation full, which auto takes.",
		Params: "delay: {latency: 800ms, jitter: 100ms}, latency from 20ms to 1m, jitter at most half of it; a resolver waits some seconds and asks again",
		build:  newDNSDelay})
}

// longestAnswer is the most that the name server waits.
const longestAnswer = topology.Duration(time.Minute)

func newDNSDelay(r chaos.Resolved) (chaos.Fault, error) {
	f := &dnsDelay{}
	if err := decode(r.Args, f); err != nil {
		return nil, err
	}
	switch d := f.Delay; {
	case d.Latency < shortestDial || d.Latency > longestAnswer:
		return nil, fmt.Errorf("delay.latency must be between %s and %s", shortestDial, longestAnswer)
	case d.Jitter < 0 || d.Jitter > d.Latency/2:
		return nil, errors.New("delay.jitter must be between 0 and half of delay.latency")
	}
	return f, f.misname(r, f.Delay)
}

// floor is the least that a late answer takes.
func (f *dnsDelay) floor() time.Duration { return (f.Delay.Latency - f.Delay.Jitter).D() }

// Probe asks for every callee's name as its caller, from where that stands, and
// wants no answer before the delay, and one for another name in less than half
// of it; after the lift, one that is sooner.
func (f *dnsDelay) Probe(ctx context.Context, s deploy.System, injected bool) (string, error) {
	// Not to have answered for three seconds is proof enough of a delay of a
	// minute: beyond them the runner has long given up.
	least := min(f.floor(), 3*time.Second)
	if injected {
		err := f.passes(s, func(c control) (string, error) {
			took, err := f.soonest(ctx, s, c, least/2, false)
			switch {
			case errors.Is(err, errAnswer):
				return err.Error(), nil // another harm meets it
			case err == nil && took >= least/2:
				return "an answer after " + round(took).String(), nil
			}
			return "", err
		})
		if err != nil {
			return "", err
		}
	}
	var mu sync.Mutex
	quickest, slowest := time.Duration(1<<62), time.Duration(0)
	err := f.each(func(link topology.Link) error {
		took, err := f.soonest(ctx, s, control{link, names.Found}, least, injected)
		switch {
		case err != nil:
			return err
		case injected && took < least:
			return fmt.Errorf("answered after %s", round(took))
		case !injected && took >= least:
			return fmt.Errorf("still takes %s", round(took))
		}
		mu.Lock()
		defer mu.Unlock()
		quickest, slowest = min(quickest, took), max(slowest, took)
		return nil
	})
	return fmt.Sprintf("%s after %s to %s", count(len(f.rule.Links), "link's name is found", "links' names are found"), round(quickest), round(slowest)), err
}

// errAnswer is what another answer than the one asked for comes to.
var errAnswer = errors.New("the answer is")

// soonest puts a question and returns how long the answer took; none in
// twice the time wanted and half a second counts as that. Once is enough for who
// wants it to be late: a delay spares nobody. Who wants it to be quick asks up to
// ten times, since a busy machine answers late now and then.
func (f *dnsDelay) soonest(ctx context.Context, s deploy.System, asked control, want time.Duration, once bool) (time.Duration, error) {
	limit := 2*want + echoPatience
	best := limit
	began := time.Now()
	for range 10 {
		a, err := lookUpOnce(ctx, s, asked.Link, limit)
		switch {
		case err != nil:
			return 0, err
		case a.Code != asked.code && a.Code != noAnswer:
			return 0, fmt.Errorf("%w %s", errAnswer, a.Code)
		}
		best = min(best, a.Took)
		if once || best < want || time.Since(began) > 2*time.Second {
			break
		}
	}
	return best, nil
}

// Met reports a call over one of the links that took at least the delay, or
// failed: one that had to wait for a connection.
func (f *dnsDelay) Met(s collector.Span) bool {
	return f.crosses(s) && (s.Error || s.Duration() >= f.floor())
}
