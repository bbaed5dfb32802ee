//go:build !linux

package heal

import "errors"

// A bell needs inotify; there is no ground without it, see [Prepare].
type bell struct{ rings chan struct{} }

func newBell(...string) (*bell, error) { return nil, errors.ErrUnsupported }

func (b *bell) close() error { return nil }
