package fault

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/topology"
)

const (
	// stretch is how long a probe's own bytes take on an idle slow link: ten
	// times the lateness that a relay may make up for, and short beside a fault
	// phase.
	stretch = 250 * time.Millisecond
	// leastStretch is the shortest one that stands out from the time that the
	// same bytes take a real server: up to some twenty milliseconds when nothing
	// else runs.
	leastStretch = 50 * time.Millisecond
	// mostProbed bounds those bytes: what no server minds in one go.
	mostProbed = 256 << 10
)

// A dragged is what a probe has moved over one link, and how long it took.
type dragged struct {
	moved load
	took  time.Duration
}

// drag moves n bytes over every link, in the directions that the rule names,
// and wants that to take what least says; the same past the relay, at the same
// callee, must take less than half of what is due, or it was not the link that
// was slow. After the lift, it must take less than half over the link too, or on
// a machine that is too busy for that hardly more than past the relay.
func (l links) drag(ctx context.Context, s deploy.System, injected bool, n int, least, due func(load) time.Duration) ([]dragged, error) {
	// The link is shared with the system's own calls, which take their turns.
	// Longer than this a lift must not wait for a proof.
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var mu sync.Mutex
	var all []dragged
	err := l.often(injected, func(link topology.Link) error {
		moved, took, err := l.move(ctx, s, link.From, link, n)
		if err != nil {
			return err
		}
		if injected && took < least(moved) {
			return fmt.Errorf("%d and %d bytes took %s, not %s", moved.to, moved.from, round(took), round(due(moved)))
		}
		if injected || took > due(moved)/2 {
			past, direct, err := l.move(ctx, s, "", link, n)
			if err != nil {
				return fmt.Errorf("past the relay: %w", err)
			}
			if injected && direct > due(past)/2 {
				return fmt.Errorf("past the relay the same takes %s: that it is the link that takes %s cannot be told", round(direct), round(due(moved)))
			}
			if !injected && took > direct+direct/4 {
				return fmt.Errorf("still takes %s for %d and %d bytes, and past the relay %s", round(took), moved.to, moved.from, round(direct))
			}
		}
		mu.Lock()
		all = append(all, dragged{moved, took})
		mu.Unlock()
		return nil
	})
	return all, err
}

// move exchanges n bytes, in the directions that the rule names, between caller,
// empty for past the relay, and the link's callee.
func (l links) move(ctx context.Context, s deploy.System, caller string, link topology.Link, n int) (load, time.Duration, error) {
	p, err := partyOf(s, caller, link)
	if err != nil {
		return load{}, 0, err
	}
	return exchange(ctx, p.protocol, p.address, p.dsn, l.share(n))
}

// A party is who is at the other end of a link, and how to speak to it.
type party struct {
	protocol     topology.Protocol
	address, dsn string
}

// partyOf finds a link's callee as caller reaches it, empty for past the relay.
func partyOf(s deploy.System, caller string, link topology.Link) (p party, err error) {
	if p.address, err = s.Address(caller, link.To); err != nil {
		return p, err
	}
	if p.protocol, err = protocolOf(s.Topology(), link); err != nil {
		return p, err
	}
	p.dsn, err = login(s, p.protocol, link.To)
	return p, err
}

// share is n bytes in a direction that the rule harms; with both, questions
// will do.
func (l links) share(n int) load {
	if l.rule.Direction == deploy.From {
		return load{from: n}
	}
	return load{to: n}
}

// counted is how much of what was moved in one direction the rule has harmed.
func (l links) counted(moved load) int {
	switch l.rule.Direction {
	case deploy.To:
		return moved.to
	case deploy.From:
		return moved.from
	}
	return max(moved.to, moved.from)
}
