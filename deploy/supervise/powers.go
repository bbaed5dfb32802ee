package supervise

import (
	"context"
	"fmt"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
)

// The powers of a system over its own instances are those of its base, and
// besides: what ends is waited for until it is reaped and the relay knows, and
// each is told as an event.

// Inspect implements [deploy.Inspector]: an instance is ready when it is healthy
// and its keeper has seen it, and thus told the relay.
func (s *System) Inspect(ctx context.Context, instance string) (deploy.State, error) {
	st, err := s.Base.Inspect(ctx, instance)
	if u := s.unitOf(instance); u != nil && st.Ready {
		l := u.current()
		st.Ready = l != nil && l.id.PID == st.PID && l.ready.Load()
	}
	return st, err
}

// Kill implements [deploy.Killer]. When it returns, callers are refused.
func (s *System) Kill(ctx context.Context, instance string) error {
	return s.end1(ctx, instance, s.Base.Kill)
}

// Stop implements [deploy.Stopper]. When it returns, callers are refused.
func (s *System) Stop(ctx context.Context, instance string) error {
	return s.end1(ctx, instance, func(ctx context.Context, instance string) error {
		if err := s.Base.Stop(ctx, instance); err != nil {
			return err
		}
		s.tell("stopped", instance, "")
		return nil
	})
}

// End implements [Ender]. When it returns, callers are refused.
func (s *System) End(ctx context.Context, what, instance string, by func(context.Context, string) error) error {
	return s.end1(ctx, instance, func(ctx context.Context, instance string) error { return s.Base.End(ctx, what, instance, by) })
}

// end1 ends the life that an instance has now, and waits until its keeper has
// seen to the rest.
func (s *System) end1(ctx context.Context, instance string, by func(context.Context, string) error) error {
	var l *span
	if u := s.unitOf(instance); u != nil {
		l = u.current()
	}
	if err := by(ctx, instance); err != nil {
		return err
	}
	if l == nil {
		return nil
	}
	select {
	case <-l.gone:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for the end of %s: %w", instance, context.Cause(ctx))
	}
}

// Pause implements [deploy.Pauser].
func (s *System) Pause(ctx context.Context, instance string) error {
	if err := s.Base.Pause(ctx, instance); err != nil {
		return err
	}
	s.tell("paused", instance, "")
	return nil
}

// Resume implements [deploy.Pauser].
func (s *System) Resume(ctx context.Context, instance string) error {
	if err := s.Base.Resume(ctx, instance); err != nil {
		return err
	}
	s.tell("resumed", instance, "")
	return nil
}

// Hold implements [deploy.Holder].
func (s *System) Hold(ctx context.Context, instance string) error {
	if err := s.Base.Hold(ctx, instance); err != nil {
		return err
	}
	s.tell("held", instance, "")
	return nil
}

// Release implements [deploy.Holder]: it returns when the instance has been
// started, if it was down.
func (s *System) Release(ctx context.Context, instance string) error {
	if err := s.Base.Release(ctx, instance); err != nil {
		return err
	}
	s.tell("released", instance, "")
	u := s.unitOf(instance)
	// Polled: a start is not an event that can be waited for together with ctx
	// and the system's own end, and it comes within a few ms.
	for u.current() == nil {
		select {
		case u.wake <- struct{}{}:
		default:
		}
		t := time.NewTimer(askEvery)
		select {
		case <-t.C:
		case <-s.life.Done():
			return nil
		case <-ctx.Done():
			return fmt.Errorf("releasing %s: %w", instance, context.Cause(ctx))
		}
	}
	// A wake-up that nobody slept through must not shorten the next pause.
	select {
	case <-u.wake:
	default:
	}
	return nil
}
