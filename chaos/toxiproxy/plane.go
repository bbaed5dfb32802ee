package toxiproxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/fault"
	"github.com/bedlamlab/bedlam/deploy"
)

// Action is what the journal calls a toxic, and a proxy that is not enabled.
const Action = "toxic"

// A harm is what the journal says of one, beside the link and the direction:
// whose it is, and the relay's rule.
type harm struct {
	Proxy       string          `json:"proxy"`
	Toxic       string          `json:"toxic,omitempty"` // empty: the proxy is not enabled
	Kind        string          `json:"kind"`
	Args        json.RawMessage `json:"args,omitempty"`
	Toxicity    float64         `json:"toxicity,omitempty"`
	Established bool            `json:"established,omitempty"`
}

// Build makes the fault that an entry with our [Action] speaks of.
func Build(r chaos.Resolved) (chaos.Fault, error) {
	rule, err := build(r)
	return rule, err
}

func build(r chaos.Resolved) (fault.Rule, error) {
	var h harm
	if r.Action != Action {
		return fault.Rule{}, fmt.Errorf("%q is no %s", r.Action, Action)
	}
	if err := json.Unmarshal(r.Args, &h); err != nil {
		return fault.Rule{}, fmt.Errorf("%s %s: %w", Action, r.ID, err)
	}
	if r.ID == "" || h.Kind == "" {
		return fault.Rule{}, fmt.Errorf("%s %q names no rule", Action, r.ID)
	}
	return fault.Rule{ID: r.ID, Links: r.Links, Direction: r.Direction, Kind: h.Kind, Args: h.Args, Toxicity: h.Toxicity,
		Established: h.Established, TTL: fault.RuleTTL, Seed: r.Seed}, nil
}

// A plane puts rules in and takes them out, by way of the journal.
type plane struct {
	journal Journal
	lease   func() error
	last    int // number of the last ID
}

// id returns a new one, unique in the run.
func (p *plane) id() string {
	p.last++
	return fmt.Sprintf("%s/%d", Action, p.last)
}

// A grip is a harm that is on, or may be; without one it is empty.
type grip struct{ *chaos.Resolved }

// inject announces a harm and does it, in place of the one of the same ID that
// g holds. On error there is neither, unless g says otherwise.
func (p *plane) inject(ctx context.Context, on deploy.System, g *grip, r chaos.Resolved) error {
	rule, err := build(r)
	if err == nil {
		err = p.lease()
	}
	if err != nil {
		return err
	}
	if err := p.journal.Write(chaos.Entry{Kind: chaos.Injecting, ID: r.ID, Fault: &r}); err != nil {
		return err
	}
	g.Resolved = &r
	if _, ours := on.(*own); ours {
		rule.TTL = ownTTL
	}
	err = rule.Inject(ctx, on)
	if err == nil {
		err = p.journal.Write(chaos.Entry{Kind: chaos.Injected, ID: r.ID})
	}
	if err != nil {
		return errors.Join(err, p.lift(ctx, on, g))
	}
	return nil
}

// lift undoes what g holds, whether or not the journal takes it: a full disk
// keeps nothing harmed. What could not be undone g still holds.
func (p *plane) lift(ctx context.Context, on deploy.System, g *grip) error {
	if g.Resolved == nil {
		return nil
	}
	id := g.ID
	unwritten := p.journal.Write(chaos.Entry{Kind: chaos.Lifting, ID: id})
	rule, err := build(*g.Resolved)
	if err == nil {
		err = rule.Lift(ctx, on)
	}
	if err != nil {
		err = fmt.Errorf("lifting %s: %w", id, err)
		return errors.Join(err, unwritten, p.journal.Write(chaos.Entry{Kind: chaos.LiftFailed, ID: id, Detail: err.Error()}))
	}
	g.Resolved = nil
	return errors.Join(unwritten, p.journal.Write(chaos.Entry{Kind: chaos.LiftProven, ID: id, Detail: "the relay has the rule no more"}))
}
