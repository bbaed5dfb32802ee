//go:build !linux

package docker

// death is told by the daemon alone here.
func death(int) <-chan struct{} { return nil }
