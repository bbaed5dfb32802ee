package supervise

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"
)

// Services have drainTime to finish what they are doing, and stores and relay
// leaveTime after them: together a Down of at most some three seconds.
const (
	drainTime = 2 * time.Second
	leaveTime = 500 * time.Millisecond
)

// Down implements [deploy.System]: it asks, for at most three seconds, then it
// ends what is left, and empties the scratch folder. When ctx is done it does
// not ask any longer. Guests it only lets go of. It is idempotent.
func (s *System) Down(ctx context.Context) error {
	if err := s.end(ctx, drainTime); err != nil {
		return fmt.Errorf("taking %s down: %w", s.desc.Topology.Name, err)
	}
	return nil
}

func (s *System) end(ctx context.Context, drain time.Duration) error {
	s.once.Do(func() { s.left = s.finish(ctx, drain) })
	return s.left
}

func (s *System) finish(ctx context.Context, drain time.Duration) error {
	s.stop() // from here on nothing is started
	var services, stores []*unit
	for _, u := range s.units {
		if s.desc.Gentle(u.name) == syscall.SIGTERM {
			services = append(services, u)
		} else {
			stores = append(stores, u)
		}
	}
	if drain > 0 && !s.outfit.Guests {
		ask(ctx, services, syscall.SIGTERM, drain)
		// SIGQUIT is PostgreSQL's immediate shutdown, without the checkpoint
		// of data that is about to be removed.
		ask(ctx, stores, syscall.SIGQUIT, leaveTime)
		if s.relay != nil {
			ask(ctx, []*unit{s.relay}, syscall.SIGTERM, leaveTime)
		}
	}
	firm, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.outfit.EndTime)
	defer cancel()
	errs := make([]error, len(s.units))
	var ending sync.WaitGroup
	for i, u := range s.units {
		ending.Go(func() { errs[i] = u.leave(firm) })
	}
	ending.Wait()
	if s.relay != nil {
		errs = append(errs, s.relay.leave(firm)) // to the last it is told who is down
	}
	errs = append(errs, s.outfit.Clear(firm))
	s.disown()
	return errors.Join(errs...)
}

// leave ends u's life, if it has one, and waits for its keeper.
func (u *unit) leave(ctx context.Context) error {
	if !u.kept {
		return nil
	}
	var err error
	if l := u.current(); l != nil {
		err = l.End(ctx)
	}
	select {
	case <-u.ended:
		return err
	case <-ctx.Done():
		return errors.Join(err, fmt.Errorf("%s does not end", u.name))
	}
}

// ask sends sig to all units at once and waits until they have ended, for at most d.
func ask(ctx context.Context, units []*unit, sig syscall.Signal, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var asking sync.WaitGroup
	for _, u := range units {
		asking.Go(func() {
			if l := u.current(); l != nil {
				l.Ask(ctx, sig)
			}
		})
	}
	asking.Wait()
	for _, u := range units {
		select {
		case <-u.ended:
		case <-ctx.Done():
			return
		}
	}
}
