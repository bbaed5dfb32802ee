//go:build !linux

package exhaust

import (
	"context"
	"errors"
)

// A Standing is nothing here.
type Standing struct{}

// StandingOf cannot tell here.
func StandingOf(int) (Standing, error) { return Standing{}, errors.ErrUnsupported }

// Restore has nothing to restore.
func (Standing) Restore() error { return nil }

func prefer(int) (Standing, error) { return Standing{}, errors.ErrUnsupported }

func fill(context.Context, string, int64) error { return errors.ErrUnsupported }
