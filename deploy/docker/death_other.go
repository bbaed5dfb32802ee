//go:build !linux

package docker

// death is told by the daemon alone here.
func death(int) (died <-chan struct{}, forget func()) { return nil, func() {} }
