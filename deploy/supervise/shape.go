package supervise

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
)

// relayTime is how long a command to the relay is tried again while there is
// nobody to hear it: a relay that died is back in well under a second.
const relayTime = 3 * time.Second

// Shape implements [deploy.Shaper]. The rule is written down first, so that a
// relay that is started again in between has it.
func (b *Base) Shape(ctx context.Context, r deploy.Rule) error {
	if r.ID == "" {
		return errors.New("shaping: the rule has no id")
	}
	if err := writeJSON(b.rule(r.ID), r); err != nil {
		return fmt.Errorf("shaping %s: %w", r.ID, err)
	}
	err := b.insist(ctx, func(ctx context.Context) error { return b.network.Shape(ctx, r) })
	if err != nil {
		err = errors.Join(err, b.Unshape(ctx, r.ID))
		return fmt.Errorf("shaping %s: %w", r.ID, err)
	}
	return nil
}

// Unshape implements [deploy.Shaper].
func (b *Base) Unshape(ctx context.Context, id string) error {
	err := os.Remove(b.rule(id))
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = b.insist(ctx, func(ctx context.Context) error { return b.network.Unshape(ctx, id) })
	}
	if err != nil && !errors.Is(err, ErrGone) {
		return fmt.Errorf("unshaping %s: %w", id, err)
	}
	return nil // a relay that is gone for good has no rules
}

// Rules implements [deploy.Shaper]: what the relay itself says that it has.
func (b *Base) Rules(ctx context.Context) ([]deploy.Rule, error) {
	var all []deploy.Rule
	err := b.insist(ctx, func(ctx context.Context) (err error) {
		all, err = b.network.Rules(ctx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the relay's rules: %w", err)
	}
	return all, nil
}

// insist asks the relay again while it is being restarted: as long as nothing
// answers. A refusal is an answer. If the relay has gone for good, ErrGone.
func (b *Base) insist(ctx context.Context, ask func(context.Context) error) error {
	for until := time.Now().Add(relayTime); ; {
		once, cancel := context.WithTimeout(ctx, askTime)
		err := ask(once)
		cancel()
		if unheard := (*url.Error)(nil); err == nil || ctx.Err() != nil || !errors.As(err, &unheard) {
			return err
		}
		phase, _, e := b.machine.Look(ctx, Relay)
		if e != nil {
			return errors.Join(err, e)
		}
		if phase == deploy.Down && (!b.owned() || b.held(Relay)) {
			return fmt.Errorf("the relay: %w: %w", ErrGone, err) // and nobody will start it
		}
		if time.Now().After(until) {
			return err
		}
		if err := Sleep(ctx, askEvery); err != nil {
			return err
		}
	}
}
