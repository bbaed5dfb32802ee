//go:build !linux

package bedlam

import "syscall"

// withParent has nobody who could tell of the end of a parent.
func withParent() *syscall.SysProcAttr { return nil }
