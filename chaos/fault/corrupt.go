package fault

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/topology"
)

// corrupt flips bits in what links carry.
type corrupt struct {
	links
	Percent float64 `json:"percent"`
}

func init() {
	register(Kind{Name: "corrupt", On: onEdges, Needs: needs[deploy.Shaper](),
		Doc:    "Flips one bit in a share of the KiB that an edge carries; lengths and order stay.",
		Params: fmt.Sprintf("percent: 5, of KiB, from %d to 100; direction: to|from|both", leastPercent),
		build:  newCorrupt})
}

// leastPercent is what a probe can see in the few seconds that it has: about a
// megabyte has to go through for a chance of one in a thousand to miss it.
const leastPercent = 1

func newCorrupt(r chaos.Resolved) (chaos.Fault, error) {
	f := &corrupt{}
	if err := decode(r.Args, f); err != nil {
		return nil, err
	}
	if !(f.Percent >= leastPercent && f.Percent <= 100) {
		return nil, fmt.Errorf("percent must be from %d to 100", leastPercent)
	}
	return f, f.shape(r, "corrupt", map[string]float64{"percent": f.Percent})
}

// Probe says things over every link whose answers are known, from having said
// them twice past the relay, and wants to hear a wrong one: one that differs, or
// that breaks off now here, now there. It tries as often as the percentage needs
// for one chance in a thousand of missing it; after the lift, it wants as many
// answers to be right.
func (f *corrupt) Probe(ctx context.Context, s deploy.System, injected bool) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second) // as long as drag
	defer cancel()
	var mu sync.Mutex
	var saw string // on one link; the others are like it
	err := f.each(func(link topology.Link) error {
		past, err := partyOf(s, "", link)
		if err != nil {
			return err
		}
		over, err := partyOf(s, link.From, link)
		if err != nil {
			return err
		}
		right, err := rehearse(ctx, past)
		if err != nil {
			return fmt.Errorf("past the relay: %w", err)
		}
		wrong, err := f.wrong(ctx, over, right)
		switch {
		case err != nil:
			return err
		case injected && wrong == "":
			return errors.New("every answer is right")
		case !injected && wrong != "":
			return errors.New("still wrong: " + wrong)
		}
		mu.Lock()
		saw = wrong
		mu.Unlock()
		return nil
	})
	n := len(f.rule.Links)
	if !injected {
		return count(n, "link's answers are", "links' answers are") + " right", err
	}
	return fmt.Sprintf("%s wrong: %s", count(n, "link's answer is", "links' answers are"), saw), err
}

// wrong asks until an answer is wrong, and says in which way. Empty: with all
// but certainty none is.
func (f *corrupt) wrong(ctx context.Context, p party, right *known) (string, error) {
	const (
		// seen is how many of the flipped bits show, at the least: those of a
		// host's name, of an unused flag or of a letter's case do not.
		seen = 0.5
		most = 200 // tries if all connections are harmed; at 1 % it takes some forty that come to their end
	)
	chance, broken := 1.0, -1
	var last error
	for range int(most / f.toxicity()) {
		wrong, moved, err := right.compare(ctx, p)
		switch {
		case wrong != "":
			return wrong, nil
		case ctx.Err() != nil:
			return "", fmt.Errorf("the time was too short: %w", errors.Join(ctx.Err(), err))
		case err == nil:
			n := f.counted(moved)
			if f.rule.Direction == deploy.Both {
				n = moved.to + moved.from
			}
			if chance *= 1 - f.toxicity()*(1-math.Pow(1-seen*f.Percent/100, float64(n)/1024)); chance < missed {
				return "", nil
			}
		case closed(err) && moved.from > 0:
			// A server of gRPC that meets a frame which makes no sense hangs up
			// without a word. A limit would always do that at the same place, and
			// a reset at the first.
			if broken >= 0 && broken != moved.from {
				return fmt.Sprintf("broken off after %d bytes, and after %d", broken, moved.from), nil
			}
			broken = moved.from
			last = err
		default:
			last = err // nothing is heard, or a login fails: that can have other reasons
		}
	}
	return "", fmt.Errorf("the answers do not tell: %w", last)
}
