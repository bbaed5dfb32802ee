//go:build !linux

package main

import "testing"

// smallDisk is for Linux.
func smallDisk(t *testing.T, _ string) {
	t.Helper()
	t.Skip("a small disk is mounted on Linux only")
}
