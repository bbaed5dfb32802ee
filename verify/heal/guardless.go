package heal

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/bedlamlab/bedlam/deploy/guard"
)

// guardless kills the run's guard and returns when another watches. What is on
// must stay on meanwhile: Bedlam lives, and nobody has asked it to lift anything.
func (s *scene) guardless(ctx context.Context) (h harm, err error) {
	dead := s.guard()
	if dead == 0 {
		return h, errors.New("it has no guard")
	}
	if err := syscall.Kill(dead, syscall.SIGKILL); err != nil {
		return h, fmt.Errorf("killing its guard: %w", err)
	}
	// Twice what an owner waits at the most before it starts one again.
	end := time.NewTimer(2 * guard.Lease)
	defer end.Stop()
	tick := time.NewTicker(phaseEvery)
	defer tick.Stop()
	for {
		if now := s.guard(); now != 0 && now != dead {
			return s.harmful(ctx), nil
		}
		select {
		case <-tick.C:
		case <-s.ended:
			return h, errors.New("with its guard killed, bedlam itself has ended")
		case <-end.C:
			return h, errors.New("its guard was killed, and it has started no other")
		case <-ctx.Done():
			return h, context.Cause(ctx)
		}
	}
}
