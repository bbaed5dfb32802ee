package impair

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/bedlamlab/bedlam/deploy/supervise"
)

// rewrite makes a process's vDSO another image, while none of its threads is
// where it changes. The two differ in a few functions' first instruction, and in
// what stands in the room behind all of them:
//
//	to put it there  ─ fill the room → stop → change the first instructions → go on
//	to take it away  ─ stop → change them back → go on → stop → empty the room → go on
//
// A tracer could stop it as well, and would be let go of by its own end; but the
// stops of a traced child are also told to whoever waits for the child's end,
// which may be another thread of this very process.
func rewrite(ctx context.Context, pid int, to []byte) error {
	v, err := vdsoOf(pid)
	if err != nil || bytes.Equal(v.image, to) {
		return err
	}
	mem, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer mem.Close()
	ours, err := pristine()
	if err != nil {
		return err
	}
	room := ours.room()
	r := rewriting{pid, v.at, int64(len(to)), mem}
	functions, err := changes(v.image[:room], to[:room])
	if err != nil {
		return err
	}
	change := func() error {
		for _, at := range functions {
			if _, err := mem.WriteAt(to[at:at+jumpSize], v.at+int64(at)); err != nil {
				return err
			}
		}
		return nil
	}
	behind := func() error {
		_, err := mem.WriteAt(to[room:len(to)-1], v.at+int64(room))
		return err
	}
	if !emptyRoom(to[room:]) {
		if err := behind(); err != nil {
			return err
		}
		return r.apart(ctx, func(at int) bool {
			for _, f := range functions {
				if at > f && at < f+jumpSize {
					return false
				}
			}
			return true
		}, change)
	}
	if err := r.apart(ctx, func(int) bool { return true }, change); err != nil {
		return err
	}
	return r.apart(ctx, func(at int) bool { return at < room || at >= len(to) }, behind)
}

func emptyRoom(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }

// changes returns where two images differ, by the functions that we change.
func changes(from, to []byte) ([]int, error) {
	ours, err := pristine()
	if err != nil {
		return nil, err
	}
	var all []int
	for _, c := range clocks {
		at, err := ours.function(c.name)
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(from[at:at+jumpSize], to[at:at+jumpSize]) {
			all = append(all, at)
		}
	}
	return all, nil
}

// A rewriting is a process and where its vDSO is.
type rewriting struct {
	pid      int
	at, size int64
	mem      *os.File
}

const (
	// stopTime bounds the time in which all threads stop, and in which none is
	// where it must not be.
	stopTime = 2 * time.Second
	// tries is how often it is stopped before it is given up: a thread is in
	// those few bytes for some nanoseconds.
	tries = 100
)

// apart calls do while every thread is stopped where allowed says, by its place
// in the image. A process that somebody else has stopped stays so.
func (r rewriting) apart(ctx context.Context, allowed func(at int) bool, do func() error) error {
	for range tries {
		done, err := r.once(ctx, allowed, do)
		if done || err != nil {
			return err
		}
		if err := supervise.Sleep(ctx, glance); err != nil {
			return err
		}
	}
	return errors.New("a thread is always where it should be changed")
}

func (r rewriting) once(ctx context.Context, allowed func(at int) bool, do func() error) (done bool, err error) {
	p, err := os.FindProcess(r.pid)
	if err != nil {
		return false, err
	}
	defer p.Release()
	// Stopped by us: the mark in its memory says so, in case that we do not
	// come to continue it. Whoever undoes this then does.
	marked, err := r.marked()
	if err != nil {
		return false, err
	}
	all, err := r.threads()
	if err != nil {
		return false, err
	}
	if marked || !stopped(all) {
		if err := r.mark(1); err != nil {
			return false, err
		}
		defer func() { err = errors.Join(err, p.Signal(syscall.SIGCONT), r.mark(0)) }()
		if err := p.Signal(syscall.SIGSTOP); err != nil {
			return false, err
		}
	}
	for began := time.Now(); !stopped(all); {
		if time.Since(began) > stopTime {
			return false, fmt.Errorf("process %d does not stop", r.pid)
		}
		if err := supervise.Sleep(ctx, glance/8); err != nil {
			return false, err
		}
		if all, err = r.threads(); err != nil {
			return false, err
		}
	}
	for _, thread := range all {
		if at := thread.at - r.at; at >= 0 && at < r.size && !allowed(int(at)) {
			return false, nil
		}
	}
	return true, do()
}

// The mark is the last byte of the image.
func (r rewriting) marked() (bool, error) {
	var b [1]byte
	_, err := r.mem.ReadAt(b[:], r.at+r.size-1)
	return b[0] != 0, err
}

func (r rewriting) mark(b byte) error {
	_, err := r.mem.WriteAt([]byte{b}, r.at+r.size-1)
	return err
}

// A thread is where one stands.
type thread struct {
	stopped bool
	at      int64
}

func stopped(all []thread) bool {
	for _, t := range all {
		if !t.stopped {
			return false
		}
	}
	return true
}

// threads looks at all threads of the process.
func (r rewriting) threads() ([]thread, error) {
	names, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/[0-9]*", r.pid))
	if err != nil {
		return nil, err
	}
	var all []thread
	for _, name := range names {
		b, err := os.ReadFile(name + "/stat")
		if gone(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		state, err := stateOf(string(b))
		if err != nil {
			return nil, err
		}
		if state == 'Z' || state == 'X' {
			continue
		}
		t := thread{stopped: state == 'T'}
		if t.stopped {
			b, err := os.ReadFile(name + "/syscall")
			if gone(err) {
				continue
			}
			if err != nil {
				return nil, err
			}
			if t.at, t.stopped = counter(string(b)); !t.stopped {
				t.at = 0
			}
		}
		all = append(all, t)
	}
	if len(all) == 0 {
		return nil, os.ErrProcessDone
	}
	return all, nil
}

// stateOf reads /proc/PID/stat: a letter behind the name, which is in
// parentheses and may hold anything.
func stateOf(stat string) (byte, error) {
	end := strings.LastIndexByte(stat, ')')
	if end < 0 || len(stat) < end+3 {
		return 0, errors.New("reading the state of a thread: it has none")
	}
	return stat[end+2], nil
}

// counter reads /proc/PID/syscall: the last of its fields is where the thread
// goes on. One that runs has none.
func counter(text string) (int64, bool) {
	f := strings.Fields(text)
	if len(f) < 3 {
		return 0, false
	}
	at, err := strconv.ParseUint(strings.TrimPrefix(f[len(f)-1], "0x"), 16, 64)
	return int64(at), err == nil
}
