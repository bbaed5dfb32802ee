package process

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// An identity names one process for good: a process id is used again after its
// process has gone, the pair with its start is not.
type identity struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // in the system's own unit; only ever compared
}

// A proc is what the kernel says about one process at one moment.
type proc struct {
	identity
	parent, group int
	state         byte   // R, S, D, T (stopped), Z (dead, not yet reaped) …, as ps shows it
	terminal      bool   // it has a controlling terminal: a person's, none of ours has one
	folder        string // its working directory; empty if unknown
}

func (p proc) dead() bool { return p.state == 'Z' || p.state == 'X' }

// within reports whether p stands in dir or below, also when dir has been removed.
func (p proc) within(dir string) bool {
	f := strings.TrimSuffix(p.folder, " (deleted)")
	return f == dir || strings.HasPrefix(f, dir+string(filepath.Separator))
}

// alive reports whether the very process that id names still runs.
func (id identity) alive() bool {
	p, err := look(id.PID)
	return err == nil && p.identity == id && !p.dead()
}

// signal sends sig to the very process that id names; one that has gone is no
// error. The handle is opened before the start is compared: from then on it
// cannot come to mean another process (pidfd_open(2), where there is one).
func (id identity) signal(sig syscall.Signal) error {
	h, err := os.FindProcess(id.PID)
	if err != nil {
		return nil
	}
	defer h.Release()
	if p, err := look(id.PID); err != nil || p.identity != id {
		return nil
	}
	if err := h.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}

// A pack is the processes of one instance or of a whole run: the known ones,
// their groups and descendants, and whatever stands in its folder. PostgreSQL's
// children leave their parent's group and, if it dies, their parent: their
// working directory is what still tells whose they are.
type pack struct {
	folder string // with symbolic links resolved
	roots  []identity
}

// members returns the living processes of k, parents before their children so
// far as they are known.
func (k pack) members() ([]proc, error) {
	all, err := everyone()
	if err != nil {
		return nil, err
	}
	self := os.Getpid()
	all = slices.DeleteFunc(all, func(p proc) bool { return p.PID == self || p.PID == 1 || p.dead() })
	alive := make(map[int]uint64, len(all))
	for _, p := range all {
		alive[p.PID] = p.Start
	}
	in := map[int]bool{}
	groups := map[int]bool{}
	for _, r := range k.roots {
		start, lives := alive[r.PID]
		// A group outlives its leader, and as long as it does nobody gets the
		// leader's number; a living process of that number and another start
		// shows that the group is gone.
		if !lives || start == r.Start {
			groups[r.PID] = true
		}
	}
	var found []proc
	for grown := true; grown; { // until no parent is found that we missed
		grown = false
		for _, p := range all {
			if in[p.PID] {
				continue
			}
			if groups[p.group] || in[p.parent] || k.folder != "" && p.within(k.folder) && !p.terminal {
				in[p.PID], grown = true, true
				found = append(found, p)
			}
		}
	}
	return found, nil
}
