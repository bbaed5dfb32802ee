package heal

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/bedlamlab/bedlam/deploy/cell"
)

// A reading is what the kernel says of a run's instances, by what it is about:
// limits and shares, and what stands in the way of packets. Two of them differ
// where somebody has changed something.
type reading map[string]string

// read asks the kernel about some processes, and about the network namespaces
// that are kept for runs.
func read(pids []int, runs []string) reading {
	r := reading{}
	nets := map[string]string{} // which namespace → a path of it
	note := func(path string) {
		if info, err := os.Stat(path); err == nil {
			nets[identity(info)] = path
		}
	}
	for _, pin := range pins(runs) {
		note(pin)
	}
	all := hierarchies()
	for _, pid := range pids {
		dir := "/proc/" + strconv.Itoa(pid)
		note(dir + "/ns/net")
		if folder := cpuFolder(dir, all); folder != "" {
			r["its share of the processors, "+folder] = share(folder)
		}
		if stat, err := statOf(pid); err == nil {
			if most := limit(dir); most != "" { // else it has just ended
				r[fmt.Sprintf("its descriptors, process %d of %s", pid, stat.start)] = most
			}
		}
	}
	if info, err := os.Stat("/proc/self/ns/net"); err == nil {
		delete(nets, identity(info)) // this machine's
	}
	for id, path := range nets {
		r["network namespace "+id] = ""
		cell.Enter(path, func() error { // one that has gone meanwhile has nothing
			for _, table := range tablesHere() {
				r[fmt.Sprintf("%s in network namespace %s", table, id)] = "there"
			}
			for _, l := range links() {
				for queue := range queuesAt(l) {
					r[fmt.Sprintf("%s before %s in network namespace %s", queue, l.Attrs().Name, id)] = "there"
				}
			}
			return nil
		})
	}
	return r
}

// changed says what is otherwise than in an earlier reading. Of what was not
// there then, such as a new life of an instance, only what bears our name counts.
func (r reading) changed(before reading) []string {
	var all []string
	for what, now := range r {
		was, known := before[what]
		_, net, inNet := strings.Cut(what, " in network namespace ")
		_, old := before["network namespace "+net]
		switch {
		case known && was != now:
			all = append(all, fmt.Sprintf("%s: %s, it was %s", what, now, was))
		case !known && inNet && (old || strings.Contains(what, ours)):
			all = append(all, "there is "+what)
		}
	}
	return all
}

// identity is the number by which the kernel knows a namespace.
func identity(info os.FileInfo) string { return fmt.Sprint(info.Sys().(*syscall.Stat_t).Ino) }

// cpuFolder is the cgroup by which a process has its share of the processors.
func cpuFolder(dir string, all []hierarchy) string {
	b, _ := os.ReadFile(filepath.Join(dir, "cgroup"))
	for line := range strings.Lines(string(b)) { // cgroups(7)
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) < 3 {
			continue
		}
		for _, h := range all {
			within, ok := strings.CutPrefix(f[2], strings.TrimSuffix(h.root, "/"))
			of := f[1] == "" && h.controllers == nil
			for _, c := range h.controllers {
				of = of || c == "cpu" && strings.Contains(","+f[1]+",", ",cpu,")
			}
			if folder := filepath.Join(h.mounted, within); ok && of && share(folder) != "" {
				return folder
			}
		}
	}
	return ""
}

// share is what a cgroup may take of the processors.
func share(folder string) string {
	var text []string
	for _, file := range []string{"cpu.max", "cpu.cfs_quota_us", "cpu.cfs_period_us"} {
		if b, err := os.ReadFile(filepath.Join(folder, file)); err == nil {
			text = append(text, strings.TrimSpace(string(b)))
		}
	}
	return strings.Join(text, " of ")
}

// limit is how many descriptors a process may have.
func limit(dir string) string {
	b, _ := os.ReadFile(filepath.Join(dir, "limits"))
	for line := range strings.Lines(string(b)) {
		if text, ok := strings.CutPrefix(line, "Max open files"); ok {
			return strings.Join(strings.Fields(text), " ")
		}
	}
	return ""
}

// skewed reports whether a process has another vDSO than this one, by which it
// is told the time.
func skewed(pid int) bool {
	own, err := vdso("self")
	its, e := vdso(strconv.Itoa(pid))
	return err == nil && e == nil && len(own) == len(its) && !bytes.Equal(own, its)
}

func vdso(process string) ([]byte, error) {
	maps, err := os.ReadFile("/proc/" + process + "/maps")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(maps)) {
		if !strings.HasSuffix(line, "[vdso]\n") {
			continue
		}
		var from, to int64
		if _, err := fmt.Sscanf(line, "%x-%x", &from, &to); err != nil {
			return nil, err
		}
		memory, err := os.Open("/proc/" + process + "/mem")
		if err != nil {
			return nil, err
		}
		defer memory.Close()
		image := make([]byte, to-from)
		_, err = memory.ReadAt(image, from)
		return image, err
	}
	return nil, os.ErrNotExist
}
