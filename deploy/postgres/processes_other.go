//go:build !linux

package postgres

import (
	"fmt"
	"os/exec"
	"strings"
)

// Processes returns the process ids of the server in dir, the postmaster's
// first: the one that the lock file names, if it is a postgres, and its
// children. Without /proc the orphans of a killed postmaster are found by
// their title alone.
func Processes(dir string) ([]int, error) {
	l, err := readLockFile(dir)
	if err != nil || l.pid == 0 {
		return nil, err
	}
	out, err := exec.Command("ps", "-axo", "pid=,ppid=,stat=,command=").Output()
	if err != nil {
		return nil, fmt.Errorf("postgres: listing processes: %w", err)
	}
	var pids []int
	for line := range strings.Lines(string(out)) {
		var pid, parent int
		var state string
		if n, _ := fmt.Sscan(line, &pid, &parent, &state); n != 3 || strings.HasPrefix(state, "Z") {
			continue
		}
		if (pid == l.pid || parent == l.pid) && strings.Contains(line, "postgres") {
			pids = append(pids, pid)
		}
	}
	return first(pids, l.pid), nil
}

// standing returns the processes that were told of dir: without /proc nobody
// says where they stand. All count as within.
func standing(dir string) (within, at []int, err error) {
	out, err := exec.Command("ps", "-axo", "pid=,stat=,command=").Output()
	if err != nil {
		return nil, nil, fmt.Errorf("listing processes: %w", err)
	}
	for line := range strings.Lines(string(out)) {
		var pid int
		var state string
		if n, _ := fmt.Sscan(line, &pid, &state); n == 2 && !strings.HasPrefix(state, "Z") && strings.Contains(line, dir) {
			within = append(within, pid)
		}
	}
	return within, nil, nil
}

// posixShared returns nothing: a name in the kernel cannot be asked for here.
func posixShared(int) []string { return nil }
