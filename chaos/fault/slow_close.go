package fault

import (
	"context"
	"fmt"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/topology"
)

// slowClose passes on late that a side has closed: the other takes a peer that
// is gone for one that thinks.
type slowClose struct {
	links
	Delay topology.Duration `json:"delay"`
}

func init() {
	register(Kind{Name: "slow_close", On: onEdges, Needs: needs[deploy.Shaper](),
		Doc:    "Passes the end of connections on late, a close or a reset; bytes are not delayed.",
		Params: "delay: 2s; direction: to|from|both",
		build:  newSlowClose})
}

// shortest is the least delay that a probe can tell from the time that a peer
// takes to close by itself on a busy machine.
const shortest = topology.Duration(100 * time.Millisecond)

func newSlowClose(r chaos.Resolved) (chaos.Fault, error) {
	f := &slowClose{}
	if err := decode(r.Args, f); err != nil {
		return nil, err
	}
	if f.Delay < shortest || f.Delay > longest {
		return nil, fmt.Errorf("delay must be between %s and %s", shortest, longest)
	}
	return f, f.shape(r, "slow_close", map[string]topology.Duration{"delay": f.Delay})
}

// Probe says goodbye on a connection of its own over every link and wants to
// hear that back no sooner than the delay, whichever direction is slow; after
// the lift, sooner. To have waited for the delay is proof enough: the farewell
// itself is not waited for.
func (f *slowClose) Probe(ctx context.Context, s deploy.System, injected bool) (string, error) {
	// Beyond three seconds the runner has long given up; a connection that is
	// still open then has proven a delay of ten minutes as well as it can be.
	patience := min(f.Delay.D(), 3*time.Second)
	err := f.often(injected, func(link topology.Link) error {
		address, err := s.Address(link.From, link.To)
		if err != nil {
			return err
		}
		protocol, err := protocolOf(s.Topology(), link)
		if err != nil {
			return err
		}
		took, closed, err := Farewell(ctx, protocol, address, patience)
		switch {
		case err != nil:
			return err
		case injected && closed:
			return fmt.Errorf("closed after %s", round(took))
		case !injected && !closed:
			return fmt.Errorf("still open after %s", patience)
		}
		return nil
	})
	n := count(len(f.rule.Links), "connection", "connections")
	if !injected {
		return fmt.Sprintf("%s closed within %s", n, patience), err
	}
	return fmt.Sprintf("%s still open %s after the goodbye", n, patience), err
}

// Met reports any call over one of the links. An end that comes late has no
// span of its own: what can be named is the calls whose connections would end
// late.
func (f *slowClose) Met(s collector.Span) bool { return f.crosses(s) }
