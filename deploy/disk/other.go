//go:build !linux

package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

var errLinux = fmt.Errorf("a program can have a disk of its own on Linux only: %w", errors.ErrUnsupported)

// Check reports that there are no such disks.
func Check() error { return errLinux }

// Main does nothing.
func Main(context.Context, io.Reader, io.Writer) error { return errLinux }

// Serve does nothing.
func (Disk) Serve(context.Context, string) (<-chan struct{}, error) { return nil, errLinux }

// Plug does nothing.
func (Disk) Plug(context.Context, string, func(context.Context) error) (<-chan struct{}, error) {
	return nil, errLinux
}

// Served reports that there is no disk.
func (Disk) Served(context.Context) (bool, error) { return false, nil }

// Ail does nothing.
func (Disk) Ail(context.Context, Ailment) error { return errLinux }

// Cure has nothing to take away.
func (Disk) Cure(context.Context, string) error { return nil }

// Ails reports that there is no disk.
func (Disk) Ails(context.Context, Ailment) (bool, error) { return false, nil }

// A Page is not to be had.
type Page struct{}

// NewPage does nothing.
func NewPage(string) (*Page, error) { return nil, errLinux }

// Do does nothing.
func (*Page) Do(Operation) (time.Duration, error) { return 0, errLinux }

// Close does nothing.
func (*Page) Close() {}

// Left returns nothing.
func Left(string) ([]string, error) { return nil, nil }

// Sweep has nothing to take away.
func Sweep(context.Context, string) error { return nil }
