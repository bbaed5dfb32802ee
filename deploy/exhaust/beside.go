package exhaust

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Beside does to a process of this machine what [Main] does to a container: it
// takes the memory of the cgroup in which both are, up to that many bytes, and
// names the process first; it goes on until in ends. It never succeeds, and if the kernel has ended the
// process, whoever started this ends it.
//
// It refuses to work where both are not in the same cgroup, or in one that is no
// engine's: its end would be that of somebody else's processes.
func Beside(ctx context.Context, in io.Reader, dir, bytes, process string) error {
	most, err := strconv.ParseInt(bytes, 10, 64)
	if err != nil || most <= 0 {
		return fmt.Errorf("%q is no number of bytes", bytes)
	}
	pid, err := strconv.Atoi(process)
	if err != nil || pid <= 1 {
		return fmt.Errorf("%q is no process", process)
	}
	own, err := memoryCgroup("self")
	if err != nil {
		return err
	}
	its, err := memoryCgroup(process)
	if err != nil {
		return err
	}
	if own != its || !strings.HasPrefix(path.Base(path.Dir(own)), ours) {
		return errors.New("this is only for whom shares a cgroup with the process, into which an engine puts it")
	}
	ctx, cancel := within(ctx, in)
	defer cancel()
	before, err := prefer(pid)
	if err != nil {
		return err
	}
	defer before.Restore()
	return fill(ctx, dir, most)
}

// ours is how the cgroup of a run is called, in which each instance has one.
const ours = "bedlam-"

// memoryCgroup returns the path of the cgroup that counts a process's memory.
func memoryCgroup(process string) (string, error) {
	b, err := os.ReadFile("/proc/" + process + "/cgroup")
	if err != nil {
		return "", err
	}
	at, ok := cgroupOf(string(b))
	if !ok {
		return "", fmt.Errorf("no cgroup counts the memory of process %s", process)
	}
	return at, nil
}

// cgroupOf reads /proc/PID/cgroup.
func cgroupOf(text string) (path string, ok bool) {
	for line := range strings.Lines(text) { // cgroups(7): number:controllers:path
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		switch {
		case len(f) < 3:
		case slices.Contains(strings.Split(f[1], ","), "memory"):
			return f[2], true
		case f[0] == "0": // v2, which counts it unless one of v1 does
			path, ok = f[2], true
		}
	}
	return path, ok
}
