package heal

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A stat is what /proc/PID/stat says of one process.
type stat struct {
	state byte
	start string // in clock ticks since the machine's start
}

func processes() []int {
	entries, _ := os.ReadDir("/proc")
	var all []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && pid != os.Getpid() {
			all = append(all, pid)
		}
	}
	return all
}

func statOf(pid int) (stat, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return stat{}, err
	}
	// The name, in parentheses, may hold anything.
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(fields) < 20 {
		return stat{}, fmt.Errorf("process %d: %d fields", pid, len(fields))
	}
	return stat{state: fields[0][0], start: string(fields[19])}, nil
}

func stateOf(pid int) (byte, error) {
	s, err := statOf(pid)
	return s.state, err
}

// A socket listens.
type socket struct {
	port  int
	inode string
}

// listening reads proc(5)'s tables of TCP sockets.
func listening() []socket {
	var all []socket
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		b, _ := os.ReadFile(table)
		for _, line := range strings.Split(string(b), "\n") {
			f := strings.Fields(line)
			if len(f) < 10 || f[3] != "0A" { // TCP_LISTEN
				continue
			}
			_, hex, _ := strings.Cut(f[1], ":")
			if port, err := strconv.ParseUint(hex, 16, 16); err == nil {
				all = append(all, socket{int(port), f[9]})
			}
		}
	}
	return all
}

// socketsOf returns the inodes of the sockets that a process holds.
func socketsOf(pid int) []string {
	dir := "/proc/" + strconv.Itoa(pid) + "/fd"
	entries, _ := os.ReadDir(dir)
	var all []string
	for _, e := range entries {
		to, _ := os.Readlink(filepath.Join(dir, e.Name()))
		if inode, ok := strings.CutPrefix(to, "socket:["); ok {
			all = append(all, strings.TrimSuffix(inode, "]"))
		}
	}
	return all
}

// A segment is one of System V's shared memory.
type segment struct {
	id      string
	creator int
}

// systemVShared reads sysvipc(7)'s table.
func systemVShared() []segment {
	b, _ := os.ReadFile("/proc/sysvipc/shm")
	var all []segment
	for i, line := range strings.Split(string(b), "\n") {
		f := strings.Fields(line)
		if i == 0 || len(f) < 5 {
			continue
		}
		if pid, err := strconv.Atoi(f[4]); err == nil {
			all = append(all, segment{f[1], pid})
		}
	}
	return all
}

// posixShared returns the names in /dev/shm that PostgreSQL gives.
func posixShared() []string {
	found, _ := filepath.Glob("/dev/shm/PostgreSQL.*")
	for i, path := range found {
		found[i] = filepath.Base(path)
	}
	return found
}

// mapping returns the processes that have /dev/shm/name in their memory.
func mapping(name string) []int {
	var all []int
	for _, pid := range processes() {
		b, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/maps")
		if bytes.Contains(b, []byte("/dev/shm/"+name)) {
			all = append(all, pid)
		}
	}
	return all
}
