//go:build !linux

package exhaust

import (
	"context"
	"errors"
)

type preference struct{}

func prefer(int) (preference, error) { return preference{}, errors.ErrUnsupported }

func (preference) restore() error { return nil }

func fill(context.Context, string, int64) error { return errors.ErrUnsupported }
