package heal

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
)

// A kernel is what a run may make outside of its processes and folders, in this
// machine's own network namespace and cgroups, and what of the kind was there
// before it. What is the run's is told by the run's name, wherever that stands.
type kernel struct {
	tables map[string]bool         // of nf_tables
	queues map[int]map[string]bool // by the index of a link
	links  map[string]bool         // names that the run's own begin with, as seen while they had its name
}

// newKernel notes what is there before the run.
func newKernel() *kernel {
	k := &kernel{tables: map[string]bool{}, queues: map[int]map[string]bool{}, links: map[string]bool{}}
	for _, table := range tablesHere() {
		k.tables[table] = true
	}
	for _, l := range links() {
		if !strings.HasPrefix(l.Attrs().Alias, alias) { // else it is a neighbour's, who may queue there
			k.queues[l.Attrs().Index] = queuesAt(l)
		}
	}
	return k
}

// alias is what all runs write at their links.
const alias = "bedlam run "

// look notes how the run's links are called: not all of them have its name.
func (k *kernel) look(runs []string) {
	for _, l := range links() {
		if names(l.Attrs().Alias, runs) {
			stem, _, _ := strings.Cut(l.Attrs().Name, ".")
			k.links[stem] = true
		}
	}
}

// left says what the kernel still has of runs, or has not given back.
func (k *kernel) left(runs []string) []string {
	k.look(runs)
	var left []string
	for _, pin := range pins(runs) {
		left = append(left, "network namespace "+pin)
	}
	for _, l := range links() {
		a := l.Attrs()
		stem, _, _ := strings.Cut(a.Name, ".")
		if k.links[stem] {
			left = append(left, "link "+a.Name)
		}
		if before, was := k.queues[a.Index]; was {
			for queue := range queuesAt(l) {
				if !before[queue] {
					left = append(left, fmt.Sprintf("%s before link %s", queue, a.Name))
				}
			}
		}
	}
	for _, table := range tablesHere() {
		if !k.tables[table] && strings.Contains(table, ours) {
			left = append(left, table+" of this machine")
		}
	}
	folders := map[string]bool{} // one may be that of several controllers
	for _, h := range hierarchies() {
		for _, pattern := range []string{"*", "*/*"} {
			for _, at := range matches(h.mounted, pattern) {
				if info, err := os.Stat(at); err == nil && info.IsDir() && names(filepath.Base(at), runs) {
					folders["cgroup "+at] = true
				}
			}
		}
	}
	left = slices.AppendSeq(left, maps.Keys(folders))
	mounts, _ := os.ReadFile("/proc/self/mountinfo") // it is there, or there are no mounts
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 4 && names(line, runs) {
			left = append(left, "mounted, for a run, at "+f[4])
		}
	}
	slices.Sort(left)
	return left
}

// ours is in the name of each table that Bedlam makes, and of nobody else's.
const ours = "bedlam"

// names reports whether one of the runs is named in a text.
func names(text string, runs []string) bool {
	return slices.ContainsFunc(runs, func(run string) bool { return strings.Contains(text, run) })
}

// pins are the files that keep a run's network namespaces.
func pins(runs []string) []string {
	return slices.DeleteFunc(matches("/run/netns", "*"), func(pin string) bool { return !names(pin, runs) })
}

// links are those of the thread's network namespace; none if they cannot be
// read.
func links() []netlink.Link {
	all, err := netlink.LinkList()
	for errors.Is(err, netlink.ErrDumpInterrupted) { // others came or went meanwhile
		all, err = netlink.LinkList()
	}
	return all
}

// queuesAt are the disciplines that a link has been given.
func queuesAt(l netlink.Link) map[string]bool {
	all, err := netlink.QdiscList(l)
	for errors.Is(err, netlink.ErrDumpInterrupted) {
		all, err = netlink.QdiscList(l)
	}
	queues := map[string]bool{}
	for _, q := range all {
		if q.Attrs().Handle != 0 { // else it is the kernel's own choice
			queues[fmt.Sprintf("queue %s %x", q.Type(), q.Attrs().Handle>>16)] = true
		}
	}
	return queues
}

// tablesHere are those of nf_tables in the thread's network namespace. Who may
// not read them may not make any.
func tablesHere() []string {
	conn, err := nftables.New()
	if err != nil {
		return nil
	}
	all, err := conn.ListTables()
	if err != nil {
		return nil
	}
	var tables []string
	for _, t := range all {
		tables = append(tables, fmt.Sprintf("table %d %s", t.Family, t.Name))
	}
	return tables
}

// A hierarchy of cgroups, and where it is mounted. With cgroups v2 it has no
// controllers of its own.
type hierarchy struct {
	root, mounted string
	controllers   []string
}

func hierarchies() []hierarchy {
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	var all []hierarchy
	for line := range strings.Lines(string(mounts)) {
		place, kind, ok := strings.Cut(line, " - ")
		p, k := strings.Fields(place), strings.Fields(kind)
		if !ok || len(p) < 5 || len(k) < 3 {
			continue
		}
		switch k[0] {
		case "cgroup":
			all = append(all, hierarchy{p[3], p[4], strings.Split(k[2], ",")})
		case "cgroup2":
			all = append(all, hierarchy{root: p[3], mounted: p[4]})
		}
	}
	return all
}
