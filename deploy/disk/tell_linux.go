package disk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// prefix begins the names of the attributes that a disk is told by. The kernel
// lets nobody but root read or set a trusted one.
const prefix = "trusted.bedlam."

// longestTold is more than any ailment is, as JSON.
const longestTold = 4 << 10

// Served reports whether the disk is there and somebody serves it.
func (d Disk) Served(ctx context.Context) (bool, error) {
	there, err := d.mounted()
	if err != nil || !there {
		return false, err
	}
	_, err = d.told(ctx, ReadOnlyName)
	if dead(err) {
		return false, nil
	}
	return err == nil, err
}

// Ail has the disk ail from now on, in place of the ailment of that name that it
// had. It returns when a read-back shows it.
func (d Disk) Ail(ctx context.Context, a Ailment) error {
	fail := func(err error) error { return fmt.Errorf("telling the disk of %s: %w", d.Folder, err) }
	if err := a.Validate(); err != nil {
		return fail(err)
	}
	there, err := d.mounted()
	if err == nil && !there {
		err = unix.ENOTCONN
	}
	if err != nil {
		return fail(err)
	}
	b, err := json.Marshal(a)
	if err != nil {
		return fail(err)
	}
	if err := within(ctx, func() error { return unix.Setxattr(d.Folder, prefix+a.Name(), b, 0) }); err != nil {
		return fail(err)
	}
	ails, err := d.Ails(ctx, a)
	if err == nil && !ails {
		err = errors.New("it took it, and does not show it")
	}
	if err != nil {
		return fail(err)
	}
	return nil
}

// Cure takes the ailment of that name away. A disk that has not got it, or is not
// there, is no error.
func (d Disk) Cure(ctx context.Context, name string) error {
	there, err := d.mounted()
	if err != nil || !there {
		return err
	}
	err = within(ctx, func() error { return unix.Removexattr(d.Folder, prefix+name) })
	if err != nil && !errors.Is(err, unix.ENODATA) && !dead(err) {
		return fmt.Errorf("curing the disk of %s: %w", d.Folder, err)
	}
	return nil
}

// Ails reports whether the disk has that very ailment now. One that nobody serves
// has none.
func (d Disk) Ails(ctx context.Context, a Ailment) (bool, error) {
	there, err := d.mounted()
	if err != nil || !there {
		return false, err
	}
	has, err := d.told(ctx, a.Name())
	if dead(err) || err == nil && has == nil {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("asking the disk of %s: %w", d.Folder, err)
	}
	want, err := json.Marshal(a)
	return bytes.Equal(has, want), err
}

// told returns what the disk was told under a name; nil if nothing.
func (d Disk) told(ctx context.Context, name string) ([]byte, error) {
	b := make([]byte, longestTold)
	n := 0
	err := within(ctx, func() (err error) {
		n, err = unix.Getxattr(d.Folder, prefix+name, b)
		return err
	})
	if errors.Is(err, unix.ENODATA) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return b[:n], nil
}

// dead reports the error of a disk that nobody serves, or no longer.
func dead(err error) bool {
	return errors.Is(err, unix.ENOTCONN) || errors.Is(err, unix.ECONNABORTED) || errors.Is(err, os.ErrNotExist)
}

// within waits for do no longer than for ctx: a disk whose process is frozen
// answers nobody, and who waits for it in the kernel cannot be called back.
func within(ctx context.Context, do func() error) error {
	done := make(chan error, 1)
	go func() {
		err := do()
		for errors.Is(err, unix.EINTR) {
			err = do()
		}
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// mounted reports whether the kernel lists the disk.
func (d Disk) mounted() (bool, error) {
	all, err := Left(d.Folder)
	for _, at := range all {
		if at == d.Folder {
			return true, nil
		}
	}
	return false, err
}

// Left names our disks at a folder and below it, as the kernel lists them, alive
// or not. The folder is an absolute path without symbolic links.
func Left(folder string) ([]string, error) {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	return mounts(string(b), folder), nil
}

// Sweep takes away all of our disks at a folder and below it, and returns when
// the kernel lists none. It is idempotent. Whoever had files there has ended, and
// so has who served them.
func Sweep(ctx context.Context, folder string) error {
	for {
		all, err := Left(folder)
		if err != nil || len(all) == 0 {
			return err
		}
		for _, at := range all {
			if err := unix.Unmount(at, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) { // somebody else was quicker
				return fmt.Errorf("removing the disk at %s: %w", at, err)
			}
		}
		if ctx.Err() != nil {
			return fmt.Errorf("removing the disks at %s: %w", strings.Join(all, ", "), context.Cause(ctx))
		}
	}
}
