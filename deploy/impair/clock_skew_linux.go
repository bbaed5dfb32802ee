package impair

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/bedlamlab/bedlam/deploy"
)

func init() {
	register(ClockSkew, func(i deploy.Impairment) (Harm, error) {
		var s Skew
		return clockSkew{&s}, arguments(i.Args, &s, func() error { return s.Validate() })
	})
}

// clockSkew changes what a process is told when it asks for the time, by
// changing the vDSO in its memory: see [clocks]. Its children have the memory of
// their parent, as it was when they were made.
type clockSkew struct{ *Skew }

// Can implements [Harm].
func (c clockSkew) Can(t Target) error {
	if runtime.GOARCH != "amd64" {
		return Lacks("a clock is skewed by machine code, which there is not for "+runtime.GOARCH, "a machine whose processor is amd64")
	}
	ours, err := pristine()
	if err == nil {
		_, err = ours.patched(int64(c.Skew.Skew))
	}
	if err != nil {
		return Lacks(err.Error(), "another kernel")
	}
	if t.PID == 0 {
		return nil // to be seen when it is up
	}
	mem, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", t.PID), os.O_RDWR, 0)
	if err != nil {
		return Lacks("its memory cannot be reached: "+err.Error(), "root with CAP_SYS_PTRACE, or the instance's own account")
	}
	defer mem.Close()
	its, err := vdsoOf(t.PID)
	if err != nil {
		return err
	}
	if !bytes.Equal(its.image, ours.image) && !isOurs(its.image, ours.image) {
		return Lacks("its vDSO is not the one that this process has", "a program of this machine's own word size")
	}
	return nil
}

// isOurs reports whether an image differs in nothing but where we write.
func isOurs(its, ours []byte) bool {
	v := vdso{image: ours}
	want, err := v.patched(0)
	if err != nil || len(its) != len(ours) {
		return false
	}
	room := v.room()
	for at := range room {
		if its[at] != ours[at] && want[at] == ours[at] {
			return false
		}
	}
	return true
}

// Apply implements [Harm].
func (c clockSkew) Apply(ctx context.Context, t Target, save func(any) error) error {
	if t.PID == 0 {
		return errors.New("it is down")
	}
	ours, err := pristine()
	if err != nil {
		return err
	}
	want, err := ours.patched(int64(c.Skew.Skew))
	if err != nil {
		return err
	}
	if err := save(ours.image); err != nil {
		return err
	}
	return family(t.PID, func(pid int) error { return rewrite(ctx, pid, want) })
}

// Undo implements [Harm].
func (c clockSkew) Undo(ctx context.Context, t Target, before json.RawMessage) error {
	if t.PID == 0 || len(before) == 0 {
		return nil
	}
	var was []byte
	if err := json.Unmarshal(before, &was); err != nil {
		return err
	}
	return family(t.PID, func(pid int) error { return rewrite(ctx, pid, was) })
}

// Shows implements [Harm]: somebody of the instance has a vDSO that is not the
// kernel's.
func (c clockSkew) Shows(_ context.Context, t Target) (shows bool, err error) {
	if t.PID == 0 {
		return false, nil
	}
	ours, err := pristine()
	if err != nil {
		return false, err
	}
	return shows, family(t.PID, func(pid int) error {
		its, err := vdsoOf(pid)
		shows = shows || err == nil && !bytes.Equal(its.image, ours.image)
		return err
	})
}

// family calls do for a process and all that descend from it, parents before
// their children: so that whoever is born meanwhile has what its parent has.
// Who has ended meanwhile is none.
func family(pid int, do func(pid int) error) error {
	if err := do(pid); err != nil {
		if ended(pid) {
			return nil
		}
		return err
	}
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil && !gone(err) {
		return err
	}
	for _, task := range tasks {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, task.Name()))
		if err != nil && !gone(err) {
			return err
		}
		for _, text := range strings.Fields(string(b)) {
			child, err := strconv.Atoi(text)
			if err != nil {
				return err
			}
			if err := family(child, do); err != nil {
				return err
			}
		}
	}
	return nil
}

// ended reports whether a process has, if only as far as its parent does not
// know yet.
func ended(pid int) bool {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	return err != nil && gone(err) || err == nil && len(maps) == 0
}
