package process

import (
	"context"
	"errors"
	"fmt"

	"github.com/bedlamlab/bedlam/deploy"
)

// Attach implements [deploy.Engine]. The system has every power that the
// original has, by the same files; Release leaves the start to the original's
// keeper, if that lives, and Down is a sweep that leaves the scratch folder itself.
func (e *Engine) Attach(_ context.Context, scratch string) (deploy.System, error) {
	real, err := realPath(scratch)
	if err != nil {
		return nil, fmt.Errorf("attaching to %s: %w", scratch, err)
	}
	f := files{scratch: real}
	d, err := f.description()
	if err != nil {
		return nil, fmt.Errorf("attaching to %s: %w", scratch, err)
	}
	return &attached{newBase(f, d)}, nil
}

// attached is a system that another process started.
type attached struct{ base }

// Down implements [deploy.System].
func (a *attached) Down(ctx context.Context) error {
	if err := a.clear(ctx, false); err != nil {
		return errors.Join(fmt.Errorf("taking %s down", a.desc.Topology.Name), err)
	}
	return nil
}
