package impair

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What a holder in an instance's cgroup calls itself, so that whoever looks
// into the cgroup knows it.
const (
	hogName     = "bedlam-hog"
	balloonName = "bedlam-balloon"
)

// A Cgroup is the folder of a process's cgroup for one controller.
type Cgroup struct {
	Folder string
	V2     bool

	inside bool // this process is in it
}

// CgroupOf returns the cgroup in which a controller counts a process.
func CgroupOf(pid int, controller string) (Cgroup, error) {
	own, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return Cgroup{}, err
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return Cgroup{}, err
	}
	var g Cgroup
	if path, ok := pathOf(string(own), controller); ok {
		g.Folder = filepath.Join(rootOf(string(mounts), "cgroup", controller), path)
	} else if path, ok := pathOf(string(own), ""); ok {
		g.Folder, g.V2 = filepath.Join(rootOf(string(mounts), "cgroup2", ""), path), true
	}
	if g.Folder == "" {
		return g, fmt.Errorf("no cgroup counts %s of process %d", controller, pid)
	}
	return g, nil
}

// pathOf reads a line of /proc/PID/cgroup, see cgroups(7):
// number:controllers:path, with no controllers for v2.
func pathOf(cgroups, controller string) (string, bool) {
	for line := range strings.Lines(cgroups) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(f) == 3 && slices.Contains(strings.Split(f[1], ","), controller) {
			return f[2], true
		}
	}
	return "", false
}

// rootOf finds where a hierarchy is mounted, see proc_pid_mountinfo(5).
func rootOf(mountinfo, kind, controller string) string {
	for line := range strings.Lines(mountinfo) {
		before, after, _ := strings.Cut(line, " - ")
		place, f := strings.Fields(before), strings.Fields(after)
		if len(place) < 5 || len(f) < 3 || f[0] != kind {
			continue
		}
		if controller == "" || slices.Contains(strings.Split(f[2], ","), controller) {
			return place[4]
		}
	}
	return ""
}

// Number reads a file that holds a number, or a line "name number" of one that
// holds several.
func (g Cgroup) Number(file, name string) (int64, error) {
	f, err := os.Open(filepath.Join(g.Folder, file))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		text := s.Text()
		if name != "" {
			var ok bool
			if text, ok = strings.CutPrefix(text, name+" "); !ok {
				continue
			}
		}
		return strconv.ParseInt(text, 10, 64)
	}
	return 0, fmt.Errorf("%s does not tell %q", f.Name(), name)
}

// named returns the processes in the cgroup that call themselves so.
func (g Cgroup) named(name string) ([]int, error) {
	b, err := os.ReadFile(filepath.Join(g.Folder, "cgroup.procs"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []int
	for _, text := range strings.Fields(string(b)) {
		pid, err := strconv.Atoi(text)
		if err != nil {
			return nil, err
		}
		if comm, err := os.ReadFile("/proc/" + text + "/comm"); err == nil && strings.TrimSpace(string(comm)) == name {
			all = append(all, pid)
		}
	}
	return all, nil
}

// Hogs returns the busy processes beside another one.
func Hogs(pid int) ([]int, error) {
	g, err := CgroupOf(pid, "cpu")
	if err != nil {
		return nil, err
	}
	return g.named(hogName)
}

// Balloons returns how many bytes the balloons beside a process have taken.
func Balloons(pid int) (int64, error) {
	g, err := CgroupOf(pid, "memory")
	if err != nil {
		return 0, err
	}
	return g.ballooned()
}

func (g Cgroup) ballooned() (int64, error) {
	pids, err := g.named(balloonName)
	var sum int64
	for _, pid := range pids {
		n, err := resident(pid)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return 0, err
		}
		sum += n
	}
	return sum, err
}

// resident is how much memory a process has, see proc_pid_statm(5): pages, the
// second field, less those of files and shared ones, the third.
func resident(pid int) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, err
	}
	var size, all, shared int64
	if _, err := fmt.Sscan(string(b), &size, &all, &shared); err != nil {
		return 0, fmt.Errorf("reading the memory of process %d: %w", pid, err)
	}
	return (all - shared) * int64(os.Getpagesize()), nil
}

// CPUTime is how much of the processors' time a process has had.
func CPUTime(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	return cpuTime(string(b))
}

// ticks is in how many the kernel divides a second when it tells of times, on
// every architecture that Go knows.
const ticks = 100

// cpuTime reads /proc/PID/stat, see proc_pid_stat(5): the 14th field is the
// time in the program, the 15th that in the kernel, in ticks. Fields count from
// the name, the second one, which is in parentheses and may hold anything.
func cpuTime(stat string) (time.Duration, error) {
	f := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(f) < 13 {
		return 0, errors.New("the kernel does not tell a process's time")
	}
	var sum uint64
	for _, text := range f[11:13] {
		n, err := strconv.ParseUint(text, 10, 48)
		if err != nil {
			return 0, fmt.Errorf("reading a process's time: %w", err)
		}
		sum += n
	}
	return time.Duration(sum) * (time.Second / ticks), nil
}
