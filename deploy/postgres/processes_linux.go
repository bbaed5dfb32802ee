package postgres

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Processes returns the process ids of the server in dir, the postmaster's
// first. It finds them by their working folder, which is the data folder for
// every process of a server and for nothing else, so that it also finds the
// orphans of a killed postmaster. Dead ones that nobody has waited for yet are
// not among them.
func Processes(dir string) ([]int, error) {
	data, err := filepath.EvalSymlinks(Data(dir))
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("postgres: listing processes: %w", err)
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		// An error is a process that has gone, or is not ours to look at.
		if cwd, err := os.Readlink(filepath.Join("/proc", e.Name(), "cwd")); err == nil && cwd == data {
			pids = append(pids, pid)
		}
	}
	l, err := readLockFile(dir)
	if err != nil {
		return nil, err
	}
	return first(pids, l.pid), nil
}

// standing returns the processes whose working folder is below dir, and those
// whose is dir itself.
func standing(dir string) (within, at []int, err error) {
	real, err := filepath.EvalSymlinks(dir)
	if os.IsNotExist(err) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, nil, fmt.Errorf("listing processes: %w", err)
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		cwd, err := os.Readlink(filepath.Join("/proc", e.Name(), "cwd"))
		switch {
		case err != nil: // it has gone, or is not ours to look at
		case cwd == real:
			at = append(at, pid)
		case strings.HasPrefix(cwd, real+"/"):
			within = append(within, pid)
		}
	}
	return within, at, nil
}

// sharedMemory is how a process's memory map names the segments that a server
// keeps its dynamic shared memory in, unless it has our configuration: initdb's
// have not.
var sharedMemory = regexp.MustCompile(`/dev/shm/PostgreSQL\.[0-9]+`)

// posixShared returns the paths of a process's segments.
func posixShared(pid int) []string {
	b, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/maps") // without: it has gone
	return sharedMemory.FindAllString(string(b), -1)
}
