package impair

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// OpenFiles returns the descriptors that a process has open, sorted.
func OpenFiles(pid int) ([]int, error) {
	d, err := os.Open(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var all []int
	for _, name := range names {
		fd, err := strconv.Atoi(name)
		if err != nil {
			return nil, err
		}
		all = append(all, fd)
	}
	slices.Sort(all)
	return all, nil
}

// FileLimit returns how many descriptors a process may have: the numbers below
// its soft limit.
func FileLimit(pid int) (int, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	if err != nil {
		return 0, err
	}
	return fileLimit(string(b))
}

// fileLimit reads /proc/PID/limits, see proc_pid_limits(5).
func fileLimit(limits string) (int, error) {
	for line := range strings.Lines(limits) {
		if rest, ok := strings.CutPrefix(line, "Max open files"); ok {
			if f := strings.Fields(rest); len(f) > 0 {
				return strconv.Atoi(f[0])
			}
		}
	}
	return 0, fmt.Errorf("the kernel does not tell the limit of open files")
}
