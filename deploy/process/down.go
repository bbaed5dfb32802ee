package process

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
// not ask any longer. It is idempotent.
func (s *system) Down(ctx context.Context) error {
	if err := s.end(ctx, drainTime); err != nil {
		return fmt.Errorf("taking %s down: %w", s.desc.Topology.Name, err)
	}
	return nil
}

func (s *system) end(ctx context.Context, drain time.Duration) error {
	s.once.Do(func() { s.left = s.finish(ctx, drain) })
	return s.left
}

func (s *system) finish(ctx context.Context, drain time.Duration) error {
	s.stop() // from here on nothing is started
	var services, stores []*unit
	for _, u := range s.units {
		if s.gentle(u.name) == syscall.SIGTERM {
			services = append(services, u)
		} else {
			stores = append(stores, u)
		}
	}
	if drain > 0 {
		ask(ctx, services, syscall.SIGTERM, drain)
		// SIGQUIT is PostgreSQL's immediate shutdown, without the checkpoint
		// of data that is about to be removed.
		ask(ctx, stores, syscall.SIGQUIT, leaveTime)
		ask(ctx, []*unit{s.relay}, syscall.SIGTERM, leaveTime)
	}
	firm, cancel := context.WithTimeout(context.WithoutCancel(ctx), killTime)
	defer cancel()
	var errs []error
	for _, u := range slices.Concat(s.units, []*unit{s.relay}) {
		if !u.kept {
			continue
		}
		if l := u.current(); l != nil {
			errs = append(errs, u.pack(l.identity).kill(firm))
		}
		select {
		case <-u.ended:
		case <-firm.Done():
			errs = append(errs, fmt.Errorf("%s does not end", u.name))
		}
	}
	errs = append(errs, s.clear(firm, false))
	s.ports.release()
	return errors.Join(errs...)
}

// ask sends sig to all units at once and waits until they have ended, for at most d.
func ask(ctx context.Context, units []*unit, sig syscall.Signal, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	for _, u := range units {
		if l := u.current(); l != nil {
			l.signal(sig)
			u.pack(l.identity).thaw(ctx) // a frozen process cannot end
		}
	}
	for _, u := range units {
		select {
		case <-u.ended:
		case <-ctx.Done():
			return
		}
	}
}
