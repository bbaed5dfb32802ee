//go:build !linux

package cell

import (
	"context"
	"errors"
	"fmt"
	"os/exec"

	"github.com/bedlamlab/bedlam/deploy/lan"
)

var errLinux = fmt.Errorf("instances can be isolated on Linux only: %w", errors.ErrUnsupported)

// Check reports that there are no cells.
func Check() error { return errLinux }

// Try reports that there are no cells.
func Try() error { return errLinux }

// Build does nothing.
func Build(context.Context, string, lan.Net, []Inmate) ([]Cell, error) { return nil, errLinux }

// Sweep has nothing to remove.
func Sweep(context.Context, string) error { return nil }

// Left returns nothing.
func Left(string) ([]string, error) { return nil, nil }

// CanResolve says that there are no cells.
func CanResolve() error { return errLinux }

// Enter does nothing.
func Enter(string, func() error) error { return errLinux }

// Trial does nothing.
func Trial(func(string) error) error { return errLinux }

// Loopback does nothing.
func Loopback() error { return errLinux }

// Start does nothing.
func (Cell) Start(*exec.Cmd) error { return errLinux }

// OOMKills returns none.
func (Cell) OOMKills() (int, error) { return 0, errLinux }

func hierarchies() (map[string]string, error) { return nil, nil }
