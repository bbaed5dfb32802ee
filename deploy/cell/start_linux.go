package cell

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Start starts cmd in the cell: it has never been elsewhere, and neither have
// its children. cmd must not ask for a parent-death signal, which would come at
// once.
func (c Cell) Start(cmd *exec.Cmd) error {
	if folder, v2 := c.Cgroups[""]; v2 {
		dir, err := os.Open(folder)
		if err != nil {
			return err
		}
		defer dir.Close()
		if cmd.SysProcAttr == nil {
			cmd.SysProcAttr = &syscall.SysProcAttr{}
		}
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(dir.Fd())
	}
	// A child is where the thread is that makes it, in the namespace and, with
	// cgroups v1, in the cgroups.
	return apart(func() error {
		if err := enter(c.Net); err != nil {
			return err
		}
		if c.Resolver != "" {
			if err := standIn(c.Resolver); err != nil {
				return err
			}
		}
		for controller, folder := range c.Cgroups {
			if controller == "" {
				continue
			}
			if err := write(filepath.Join(folder, "tasks"), strconv.Itoa(unix.Gettid())); err != nil {
				return fmt.Errorf("entering the cgroup: %w", err)
			}
		}
		return cmd.Start()
	})
}

func write(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0) // never made: the kernel has it, or it is not there
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
