package supervise

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Hold implements [deploy.Holder] by a file, which outlives whoever wrote it
// and can be removed by any process that lifts a fault.
func (b *Base) Hold(_ context.Context, instance string) error {
	err := b.known(instance)
	if err == nil {
		err = os.WriteFile(b.heldMark(instance), nil, 0o600)
	}
	if err != nil {
		return fmt.Errorf("holding %s: %w", instance, err)
	}
	return nil
}

// Release implements [deploy.Holder] as far as another process can: the
// instance's keeper, if it lives, sees within 50 ms that it may go on.
func (b *Base) Release(_ context.Context, instance string) error {
	err := b.known(instance)
	if err == nil {
		err = os.Remove(b.heldMark(instance))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("releasing %s: %w", instance, err)
	}
	return nil
}
