package fault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/topology"
)

// links are the links that a fault harms, by one rule of the relay.
type links struct {
	Toxicity *float64 `json:"toxicity"` // share of the connections that meet the rule; nil: all
	rule     deploy.Rule
}

// shape makes the rule of a resolved harm. Both directions are harmed unless
// the experiment names one.
func (l *links) shape(r chaos.Resolved, kind string, args any) error {
	l.rule = deploy.Rule{ID: r.ID, Links: r.Links, Direction: r.Direction, Kind: kind, TTL: RuleTTL, Seed: r.Seed}
	switch l.rule.Direction {
	case "":
		l.rule.Direction = deploy.Both
	case deploy.To, deploy.From, deploy.Both:
	default:
		return fmt.Errorf("unknown direction %q (want to, from or both)", r.Direction)
	}
	if t := l.Toxicity; t != nil {
		if !(*t >= leastToxicity && *t <= 1) {
			return fmt.Errorf("toxicity must be from %g to 1: the share of the connections that are harmed", leastToxicity)
		}
		l.rule.Toxicity = *t
	}
	var err error
	if args != nil {
		l.rule.Args, err = json.Marshal(args)
	}
	return err
}

// Inject programs the relay.
func (l links) Inject(ctx context.Context, s deploy.System) error { return Rule(l.rule).Inject(ctx, s) }

// Lift takes the rule away and reads back that it is gone.
func (l links) Lift(ctx context.Context, s deploy.System) error { return Rule(l.rule).Lift(ctx, s) }

// crosses reports whether a span is a call over one of the links.
func (l links) crosses(s collector.Span) bool {
	return slices.Contains(l.rule.Links, topology.Link{From: s.Instance, To: s.PeerInstance})
}

// Met reports a failed call over one of the links.
func (l links) Met(s collector.Span) bool { return s.Error && l.crosses(s) }

// ping asks for one answer over a link, within limit.
func (l links) ping(ctx context.Context, s deploy.System, link topology.Link, limit time.Duration) (time.Duration, error) {
	return l.pingFrom(ctx, s, link.From, link, limit)
}

// pingFrom is ping for a caller of one's own; an empty one asks the link's
// callee past every relay.
func (l links) pingFrom(ctx context.Context, s deploy.System, caller string, link topology.Link, limit time.Duration) (time.Duration, error) {
	address, err := s.Address(caller, link.To)
	if err != nil {
		return 0, err
	}
	protocol, err := protocolOf(s.Topology(), link)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return Ping(ctx, protocol, address)
}

// answers wants an answer over every link; it is how an edge looks when
// nothing is wrong with it.
func (l links) answers(ctx context.Context, s deploy.System) (string, error) {
	var mu sync.Mutex
	var slowest time.Duration
	err := l.often(false, func(link topology.Link) error {
		took, err := l.ping(ctx, s, link, 2*time.Second)
		mu.Lock()
		defer mu.Unlock()
		slowest = max(slowest, took)
		return err
	})
	return fmt.Sprintf("%s, the slowest after %s", count(len(l.rule.Links), "link answers", "links answer"), round(slowest)), err
}

// each calls do for every link at once: what a probe waits for on one, it need
// not wait for again on the next.
func (l links) each(do func(link topology.Link) error) error {
	errs := make([]error, len(l.rule.Links))
	var all sync.WaitGroup
	for i, link := range l.rule.Links {
		all.Go(func() {
			if err := do(link); err != nil {
				errs[i] = fmt.Errorf("%s: %w", link, err)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// silence wants no answer over any link, and that to be the kind of silence
// which is asked for.
func (l links) silence(ctx context.Context, s deploy.System, kind func(error) bool) (string, error) {
	// An unharmed link on loopback answers within milliseconds; half a second
	// of silence is no accident even on a busy machine, and short beside the
	// fault phase.
	const patience = 500 * time.Millisecond
	err := l.often(true, func(link topology.Link) error {
		took, err := l.ping(ctx, s, link, patience)
		switch {
		case err == nil:
			return fmt.Errorf("answered after %s", round(took))
		case !kind(err):
			return fmt.Errorf("not silent: %w", err)
		}
		// Or it is the callee that is silent, or the machine.
		if _, err := l.pingFrom(ctx, s, "", link, patience); err != nil {
			return fmt.Errorf("past the relay there is no answer either: that the link is silent cannot be told: %w", err)
		}
		return nil
	})
	return fmt.Sprintf("%s silent for %s", count(len(l.rule.Links), "link", "links"), patience), err
}

func protocolOf(t topology.System, link topology.Link) (topology.Protocol, error) {
	for _, e := range t.Edges {
		if slices.Contains(t.LinksOf(e), link) {
			return e.Protocol, nil
		}
	}
	return "", fmt.Errorf("the topology has no link %s", link)
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func round(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }
