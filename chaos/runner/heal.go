package runner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
)

// Heal lifts every fault that a journal shows as live, the latest first, and
// writes into it what was lifted. A journal that is not there has no live
// fault: it is made before the first.
func Heal(ctx context.Context, journal string, s deploy.System, build func(chaos.Resolved) (chaos.Fault, error)) error {
	entries, _, err := ReadJournal(journal)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	faults := Live(entries)
	if len(faults) == 0 {
		return nil
	}
	j, err := AppendJournal(journal)
	if err != nil {
		return err
	}
	defer j.Close()
	var errs []error
	for _, r := range faults {
		f, err := build(r)
		if err == nil {
			err = f.Lift(ctx, s)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("lifting %s: %w", r.ID, err),
				j.Write(chaos.Entry{Kind: chaos.LiftFailed, ID: r.ID, Detail: err.Error()}))
			continue
		}
		errs = append(errs, j.Write(chaos.Entry{Kind: chaos.Healed, ID: r.ID, Detail: "lifted after the run was cut short"}))
	}
	return errors.Join(errs...)
}
