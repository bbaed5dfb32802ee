package heal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A watch knows which processes are a run's by what the kernel says about
// them, and by nothing that Bedlam says: they run a program of the ground's,
// or stand in it, or were told of it by their arguments or environment.
type watch struct {
	ground  []byte // its folder, with the separator
	began   time.Time
	looked  time.Time
	every   time.Duration  // how often the processes are looked at while the run lives
	ours    map[int]string // process id → when it started, of all that were ever seen
	others  map[int]string
	ports   map[int]bool    // that the run was given
	shared  map[string]bool // that is not the run's
	mapped  map[string]bool // shared memory that one of ours has had in its memory
	kernels map[string]bool
}

// newWatch notes what is there before the run, whose processes it will look at
// every so often.
func newWatch(ground string, every time.Duration) (*watch, error) {
	real, err := filepath.EvalSymlinks(ground)
	if err != nil {
		return nil, err
	}
	w := &watch{ground: []byte(real + "/"), began: time.Now(), every: every, ours: map[int]string{}, others: map[int]string{}, ports: map[int]bool{},
		shared: map[string]bool{}, mapped: map[string]bool{}, kernels: map[string]bool{}}
	for _, name := range posixShared() {
		w.shared[name] = true
	}
	for _, s := range systemVShared() {
		w.kernels[s.id] = true
	}
	return w, nil
}

// A look costs a millisecond or two, of a machine that is measured meanwhile.
const (
	// lookOften is enough to see the processes of initdb, which live for tens of
	// milliseconds.
	lookOften = 10 * time.Millisecond
	// lookSeldom is enough to see those that live as long as the run does: whoever
	// made a shared memory, and what a restarted one was.
	lookSeldom = 100 * time.Millisecond
)

// look notes new processes, and the ports that the run has taken.
func (w *watch) look() {
	if time.Since(w.looked) < w.every {
		return
	}
	w.looked = time.Now()
	for _, pid := range processes() {
		stat, err := statOf(pid)
		if err != nil {
			continue
		}
		if w.ours[pid] == stat.start || w.others[pid] == stat.start {
			continue
		}
		if w.owns(pid) {
			w.ours[pid] = stat.start
		} else {
			w.others[pid] = stat.start
		}
	}
	if len(w.ports) == 0 {
		w.readPorts()
	}
	w.readShared()
}

// readShared notes whose the shared memory is that has come: runs side by side
// are given names of one kind. What nobody was ever seen with may be ours.
func (w *watch) readShared() {
	for _, name := range posixShared() {
		if w.shared[name] || w.mapped[name] {
			continue
		}
		for _, pid := range mapping(name) {
			if w.owns(pid) {
				w.mapped[name] = true
			} else {
				w.shared[name] = true
			}
		}
	}
}

// owns reports whether a process is the ground's.
func (w *watch) owns(pid int) bool {
	dir := "/proc/" + strconv.Itoa(pid)
	for _, link := range []string{"exe", "cwd"} {
		if to, err := os.Readlink(filepath.Join(dir, link)); err == nil && bytes.HasPrefix([]byte(to+"/"), w.ground) {
			return true
		}
	}
	for _, file := range []string{"cmdline", "environ"} {
		if b, err := os.ReadFile(filepath.Join(dir, file)); err == nil && bytes.Contains(append(b, '/'), w.ground) {
			return true
		}
	}
	return false
}

// living returns the processes that are ours and live.
func (w *watch) living() []int {
	var all []int
	for _, pid := range processes() {
		if stat, err := statOf(pid); err == nil && stat.state != 'Z' && w.ours[pid] == stat.start {
			all = append(all, pid)
		}
	}
	return all
}

// guards returns the guards that live.
func (w *watch) guards() []int {
	var all []int
	for _, pid := range processes() {
		if w.owns(pid) && w.guardian(pid) {
			all = append(all, pid)
		}
	}
	return all
}

// holder reports whether a process was started to do a harm as long as it lives.
func holder(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	args := bytes.Split(b, []byte{0})
	return err == nil && len(args) > 1 && (string(args[1]) == "impair" || string(args[1]) == "exhaust")
}

// guardian reports whether a process was started as a guard.
func (w *watch) guardian(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	args := bytes.Split(b, []byte{0})
	return err == nil && len(args) > 1 && bytes.HasPrefix(args[0], w.ground) && string(args[1]) == "guard"
}

// readPorts reads the addresses out of what the engine wrote down.
func (w *watch) readPorts() {
	for _, path := range matches(string(w.ground), "scenes/*/tmp/bedlam-*/system.json") {
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		var d struct {
			Layout struct {
				Own, Links map[string]string
				Control    string
			}
		}
		if json.Unmarshal(b, &d) != nil {
			continue
		}
		note := func(address string) {
			if _, p, err := net.SplitHostPort(address); err == nil {
				if n, err := strconv.Atoi(p); err == nil {
					w.ports[n] = true
				}
			}
		}
		note(d.Layout.Control)
		for _, a := range d.Layout.Own {
			note(a)
		}
		for _, a := range d.Layout.Links {
			note(a)
		}
	}
}

// left says what the kernel still has of the run.
func (w *watch) left() []string {
	w.looked = time.Time{}
	w.look()
	var left []string
	sockets := map[string]bool{} // held by processes that were never ours
	for _, pid := range processes() {
		stat, err := statOf(pid)
		if err != nil || stat.state == 'Z' {
			continue
		}
		if w.ours[pid] == stat.start || w.owns(pid) {
			text := fmt.Sprintf("process %d (%s)", pid, command(pid))
			if stat.state == 'T' {
				text += ", stopped"
			}
			left = append(left, text)
			continue
		}
		for _, inode := range socketsOf(pid) {
			sockets[inode] = true
		}
	}
	for _, s := range listening() {
		if w.ports[s.port] && !sockets[s.inode] {
			left = append(left, fmt.Sprintf("listening socket on port %d", s.port))
		}
	}
	for _, s := range systemVShared() {
		if _, ours := w.ours[s.creator]; ours && !w.kernels[s.id] {
			left = append(left, "System V segment "+s.id)
		}
	}
	for _, name := range posixShared() {
		if w.shared[name] && !w.mapped[name] {
			continue
		}
		// Nobody living has it open: then it stays.
		if len(mapping(name)) == 0 && settled(filepath.Join("/dev/shm", name)) {
			left = append(left, "shared memory /dev/shm/"+name)
		}
	}
	if mounts, err := os.ReadFile("/proc/self/mountinfo"); err == nil { // else there are no mounts of the kind
		for line := range strings.Lines(string(mounts)) {
			if f := strings.Fields(line); len(f) > 4 && strings.HasPrefix(f[4], string(w.ground)) {
				left = append(left, "mounted at "+f[4])
			}
		}
	}
	slices.Sort(left)
	return left
}

// settled reports whether a file is older than the moment between its making
// and its first use.
func settled(path string) bool {
	info, err := os.Stat(path)
	return err == nil && time.Since(info.ModTime()) > time.Second
}

// end kills what is left, for the next scene to begin on an empty ground.
func (w *watch) end() {
	for range 100 { // those that are just being started are found the next time
		alive := false
		for _, pid := range processes() {
			stat, err := statOf(pid)
			if err == nil && stat.state != 'Z' && (w.ours[pid] == stat.start || w.owns(pid)) {
				syscall.Kill(pid, syscall.SIGKILL)
				alive = true
			}
		}
		if !alive {
			return
		}
		time.Sleep(10 * time.Millisecond) // dying is no event that others can await
	}
}

func command(pid int) string {
	b, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	text := strings.TrimSpace(string(bytes.ReplaceAll(b, []byte{0}, []byte{' '})))
	if len(text) > 120 { // enough to tell what it is
		text = text[:120] + "…"
	}
	return text
}
