package process

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// everyone lists the processes of this machine.
func everyone() ([]proc, error) {
	d, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var all []proc
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if p, err := look(pid); err == nil { // else it has gone meanwhile
			all = append(all, p)
		}
	}
	return all, nil
}

// look reads one process.
func look(pid int) (proc, error) {
	dir := "/proc/" + strconv.Itoa(pid)
	b, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return proc{}, err
	}
	p, err := parseStat(b)
	if err != nil {
		return proc{}, err
	}
	p.folder, _ = os.Readlink(dir + "/cwd") // not ours to read: not ours
	return p, nil
}

// parseStat reads /proc/PID/stat, see proc_pid_stat(5). The program's name, in
// parentheses, may hold anything, so fields count from the last parenthesis.
func parseStat(b []byte) (proc, error) {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 1 || end < open {
		return proc{}, fmt.Errorf("reading the state of a process: no name in %q", b)
	}
	fields := bytes.Fields(b[end+1:])
	if len(fields) < 20 || len(fields[0]) != 1 {
		return proc{}, fmt.Errorf("reading the state of a process: %d fields after the name", len(fields))
	}
	var p proc
	p.state = fields[0][0]
	var terminal int
	for _, f := range []struct {
		at []byte
		to *int
	}{{bytes.TrimSpace(b[:open]), &p.PID}, {fields[1], &p.parent}, {fields[2], &p.group}, {fields[4], &terminal}} {
		n, err := strconv.Atoi(string(f.at))
		if err != nil {
			return proc{}, fmt.Errorf("reading the state of a process: %w", err)
		}
		*f.to = n
	}
	p.terminal = terminal != 0
	start, err := strconv.ParseUint(string(fields[19]), 10, 64)
	if err != nil {
		return proc{}, fmt.Errorf("reading the state of a process: %w", err)
	}
	p.Start = start
	return p, nil
}

// frozen reports whether every thread of the process is stopped: the leader
// may be while another thread has not seen the signal yet.
func frozen(pid int) bool {
	tasks, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/[0-9]*/stat")
	if err != nil || len(tasks) == 0 {
		return false
	}
	for _, task := range tasks {
		b, err := os.ReadFile(task)
		if err != nil {
			continue // that thread has ended
		}
		if p, err := parseStat(b); err != nil || p.state != 'T' && p.state != 't' && !p.dead() {
			return false
		}
	}
	return true
}
