package cell

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// controllers are those that a cell has: what can be limited, and what faults
// take away.
var controllers = []string{"memory", "cpu", "pids", "blkio", "freezer"}

// needed are those without which there is no cell.
var needed = []string{"memory", "cpu", "pids"}

// hierarchies returns the folders below which this machine's cgroups stand: by
// controller with cgroups v1, by "" with v2.
func hierarchies() (map[string]string, error) {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	roots := mounted(string(b))
	if root, ok := roots[""]; ok {
		has, err := os.ReadFile(filepath.Join(root, "cgroup.controllers"))
		if err == nil && slices.Contains(strings.Fields(string(has)), "memory") {
			return map[string]string{"": root}, nil
		}
		delete(roots, "") // a v2 beside v1, without controllers
	}
	return roots, nil
}

// mounted reads a mountinfo, see proc_pid_mountinfo(5): the file system's type
// and options stand behind a lone dash.
func mounted(mountinfo string) map[string]string {
	roots := map[string]string{}
	for line := range strings.Lines(mountinfo) {
		before, after, ok := strings.Cut(line, " - ")
		place, kind := strings.Fields(before), strings.Fields(after)
		if !ok || len(place) < 5 || len(kind) < 3 {
			continue
		}
		switch kind[0] {
		case "cgroup2":
			roots[""] = place[4]
		case "cgroup":
			for _, option := range strings.Split(kind[2], ",") {
				if slices.Contains(controllers, option) {
					roots[option] = place[4]
				}
			}
		}
	}
	return roots
}

// makeCgroups makes an inmate's cgroups, with its limits.
func (c Cell) makeCgroups(in Inmate) error {
	if folder, v2 := c.Cgroups[""]; v2 {
		return makeV2(folder, in)
	}
	for _, folder := range c.Cgroups {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
	}
	memory := c.Cgroups["memory"]
	if in.Limits.Memory > 0 {
		bytes := strconv.FormatInt(in.Limits.Memory, 10)
		if err := write(filepath.Join(memory, "memory.limit_in_bytes"), bytes); err != nil {
			return err
		}
		// No swap beside it, where the kernel counts swap at all.
		if err := write(filepath.Join(memory, "memory.memsw.limit_in_bytes"), bytes); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if in.Limits.CPUs > 0 {
		if err := write(filepath.Join(c.Cgroups["cpu"], "cpu.cfs_period_us"), strconv.Itoa(period)); err != nil {
			return err
		}
		if err := write(filepath.Join(c.Cgroups["cpu"], "cpu.cfs_quota_us"), strconv.Itoa(int(in.Limits.CPUs*period))); err != nil {
			return err
		}
	}
	if in.Threads > 0 {
		return write(filepath.Join(c.Cgroups["pids"], "pids.max"), strconv.Itoa(in.Threads))
	}
	return nil
}

// period is how often a share of the processors is given out, in microseconds:
// the kernel's own choice.
const period = 100_000

func makeV2(folder string, in Inmate) error {
	parent := filepath.Dir(folder)
	for _, at := range []string{filepath.Dir(parent), parent} {
		if err := os.MkdirAll(at, 0o755); err != nil {
			return err
		}
		for _, controller := range needed {
			if err := write(filepath.Join(at, "cgroup.subtree_control"), "+"+controller); err != nil {
				return fmt.Errorf("asking for %s in %s: %w", controller, at, err)
			}
		}
		// Not every kernel has it, and only faults of the disk want it.
		write(filepath.Join(at, "cgroup.subtree_control"), "+io")
	}
	if err := os.Mkdir(folder, 0o755); err != nil {
		return err
	}
	limits := map[string]string{}
	if in.Limits.Memory > 0 {
		limits["memory.max"], limits["memory.swap.max"] = strconv.FormatInt(in.Limits.Memory, 10), "0"
	}
	if in.Limits.CPUs > 0 {
		limits["cpu.max"] = fmt.Sprintf("%d %d", int(in.Limits.CPUs*period), period)
	}
	if in.Threads > 0 {
		limits["pids.max"] = strconv.Itoa(in.Threads)
	}
	for file, limit := range limits {
		err := write(filepath.Join(folder, file), limit)
		if errors.Is(err, fs.ErrNotExist) && file == "memory.swap.max" {
			continue // this kernel does not count swap
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// OOMKills returns how many processes of the cell the kernel has ended for want
// of memory.
func (c Cell) OOMKills() (int, error) {
	path := filepath.Join(c.Cgroups["memory"], "memory.oom_control")
	if folder, v2 := c.Cgroups[""]; v2 {
		path = filepath.Join(folder, "memory.events")
	}
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if text, ok := strings.CutPrefix(s.Text(), "oom_kill "); ok {
			return strconv.Atoi(text)
		}
	}
	return 0, fmt.Errorf("%s does not say how many were ended", path)
}

// retry is the pause before a cgroup is removed once more, which its dead are
// still leaving.
const retry = 2 * time.Millisecond

// sweepCgroups removes the cgroups of a run. Nothing lives in them any more.
func sweepCgroups(ctx context.Context, run string) error {
	roots, err := hierarchies()
	if err != nil {
		return err
	}
	for _, root := range roots {
		own := filepath.Join(root, cgroupName(run))
		entries, err := os.ReadDir(own)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		for _, e := range entries {
			if e.IsDir() {
				if err := removeCgroup(ctx, filepath.Join(own, e.Name())); err != nil {
					return err
				}
			}
		}
		if err := removeCgroup(ctx, own); err != nil {
			return err
		}
	}
	return nil
}

func removeCgroup(ctx context.Context, folder string) error {
	for {
		err := os.Remove(folder) // of all in it, the kernel minds only other cgroups and processes
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, context.Cause(ctx))
		case <-time.After(retry):
		}
	}
}
