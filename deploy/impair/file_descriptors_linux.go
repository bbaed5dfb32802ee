package impair

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/supervise"
)

func init() {
	register(FileDescriptors, func(i deploy.Impairment) (Harm, error) {
		var d Descriptors
		return fileDescriptors{&d}, arguments(i.Args, &d, func() error { return d.Validate() })
	})
}

// fileDescriptors lowers the soft limit of a process that lives, never the hard
// one, which could not be raised again. A limit that has not been lowered is as
// high as the hard one: that is what every program of Go makes of it when it
// starts, and how ours is known.
type fileDescriptors struct{ *Descriptors }

// startTime is what a new life has to come to listen, before its descriptors
// are counted: whatever it opens until then, it is to have.
const startTime = 2 * time.Second

// Can implements [Harm].
func (d fileDescriptors) Can(t Target) error {
	if t.PID == 0 {
		return nil // to be seen when it is up
	}
	now, err := filesOf(t.PID)
	if err != nil {
		return Lacks("its limits cannot be read: "+err.Error(), "the instance's own account, or root")
	}
	if now.Cur < now.Max {
		return Lacks(fmt.Sprintf("its own soft limit, %d, is below the hard one: ours could not be told from it", now.Cur), "a program that raises its limit, as those of Go do")
	}
	return nil
}

// A soft limit, and of which life.
type soft struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"`
	Limit uint64 `json:"limit"`
}

// Apply implements [Harm].
func (d fileDescriptors) Apply(ctx context.Context, t Target, save func(any) error) error {
	if t.PID == 0 {
		return errors.New("it is down")
	}
	now, err := startedFiles(ctx, t.PID)
	if err != nil {
		return err
	}
	if err := save(soft{t.PID, t.Start, now.Cur}); err != nil {
		return err
	}
	open, err := OpenFiles(t.PID)
	if err != nil {
		return err
	}
	return setFiles(t.PID, unix.Rlimit{Cur: min(leave(open, d.Spare), now.Max-1), Max: now.Max})
}

// Undo implements [Harm]. Of another life there is nothing to undo: it is not
// up to what was done to the last.
func (d fileDescriptors) Undo(_ context.Context, t Target, before json.RawMessage) error {
	var was soft
	if t.PID == 0 || len(before) == 0 {
		return nil
	}
	if err := json.Unmarshal(before, &was); err != nil {
		return err
	}
	if !t.SameLife(Target{PID: was.PID, Start: was.Start}) {
		return nil
	}
	now, err := filesOf(t.PID)
	if err == nil {
		now.Cur = was.Limit
		err = setFiles(t.PID, now)
	}
	if gone(err) {
		return nil
	}
	return err
}

// Shows implements [Harm].
func (d fileDescriptors) Shows(ctx context.Context, t Target) (bool, error) {
	if t.PID == 0 {
		return false, nil
	}
	now, err := startedFiles(ctx, t.PID)
	if gone(err) {
		return false, nil
	}
	return now.Cur < now.Max, err
}

// startedFiles is filesOf for a process that may have begun just now.
func startedFiles(ctx context.Context, pid int) (unix.Rlimit, error) {
	for began := time.Now(); time.Since(began) < startTime; {
		listens, err := listens(pid)
		if err != nil {
			return unix.Rlimit{}, err
		}
		if listens {
			break
		}
		if err := supervise.Sleep(ctx, glance); err != nil {
			return unix.Rlimit{}, err
		}
	}
	return filesOf(pid)
}

// leave is the limit below which so many numbers are free. A new descriptor
// always gets the lowest that is.
func leave(open []int, spare int) uint64 {
	limit := 0
	for free := 0; ; limit++ {
		if _, taken := slices.BinarySearch(open, limit); !taken {
			if free == spare {
				return uint64(limit)
			}
			free++
		}
	}
}

// filesOf returns the limits of a process's descriptors.
func filesOf(pid int) (unix.Rlimit, error) {
	var now unix.Rlimit
	err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &now)
	if err != nil {
		err = fmt.Errorf("reading the limit of process %d: %w", pid, err)
	}
	return now, err
}

func setFiles(pid int, to unix.Rlimit) error {
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &to, nil); err != nil {
		return fmt.Errorf("limiting process %d: %w", pid, err)
	}
	return nil
}

// gone reports whether an error is that of a process that has ended.
func gone(err error) bool {
	return errors.Is(err, unix.ESRCH) || errors.Is(err, os.ErrNotExist)
}

// listens reports whether a process takes connections.
func listens(pid int) (bool, error) {
	open, err := OpenFiles(pid)
	if err != nil {
		return false, err
	}
	listening := map[string]bool{}
	for _, table := range []string{"tcp", "tcp6"} {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, table))
		if err != nil && !(table == "tcp6" && errors.Is(err, os.ErrNotExist)) {
			return false, err
		}
		for line := range strings.Lines(string(b)) {
			// proc_pid_net(5): the fourth field is the state, 0A is listening, and
			// the tenth the socket's own number.
			if f := strings.Fields(line); len(f) > 9 && f[3] == "0A" {
				listening["socket:["+f[9]+"]"] = true
			}
		}
	}
	for _, fd := range open {
		to, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pid, strconv.Itoa(fd)))
		if err == nil && listening[to] {
			return true, nil
		}
	}
	return false, nil
}
