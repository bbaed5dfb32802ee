package impair

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// own returns the target's own cgroup for a controller; the error says what
// would give it one.
func own(t Target, controller, what string) (Cgroup, error) {
	folder, v2 := t.Cgroup(controller)
	if folder == "" {
		return Cgroup{}, Lacks("it shares this machine's "+what, "--isolation full gives each instance cgroups of its own, as root on Linux")
	}
	return Cgroup{folder, v2, t.Beside}, nil
}

// settle finds out what a target is to who is beside it: the cgroups of this very
// process.
func (t *Target) settle() error {
	if !t.Beside {
		return nil
	}
	t.Cgroups = map[string]string{}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	for _, controller := range []string{"cpu", "memory"} {
		if root := rootOf(string(mounts), "cgroup", controller); root != "" {
			t.Cgroups[controller] = root
		}
	}
	if root := rootOf(string(mounts), "cgroup2", ""); root != "" && len(t.Cgroups) == 0 {
		t.Cgroups[""] = root
	}
	return nil
}

// has reports whether the cgroup has a file that can be written, by who is not in
// it.
func (g Cgroup) has(file string) error {
	if g.inside {
		return nil // it is entered already, and others change it
	}
	f, err := os.OpenFile(filepath.Join(g.Folder, file), os.O_WRONLY, 0)
	if err == nil {
		return f.Close()
	}
	return Lacks("its cgroup cannot be changed: "+err.Error(), "root, and a kernel that has this file")
}

// gone reports whether the cgroup has been removed.
func (g Cgroup) gone() bool {
	_, err := os.Stat(g.Folder)
	return g.Folder == "" || errors.Is(err, os.ErrNotExist)
}

func (g Cgroup) read(file string) (string, error) {
	b, err := os.ReadFile(filepath.Join(g.Folder, file))
	return strings.TrimSpace(string(b)), err
}

func (g Cgroup) write(file, text string) error {
	f, err := os.OpenFile(filepath.Join(g.Folder, file), os.O_WRONLY, 0) // never made
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// enter moves this process, a holder, into the cgroup, under a name by which it
// is known there. When memory is short it is the first to be ended.
func (g Cgroup) enter(name string) error {
	if err := os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0); err != nil {
		return fmt.Errorf("naming itself to the kernel: %w", err)
	}
	if err := os.WriteFile("/proc/self/comm", []byte(name), 0); err != nil {
		return fmt.Errorf("taking a name: %w", err)
	}
	if g.inside {
		return nil
	}
	if err := g.write("cgroup.procs", strconv.Itoa(os.Getpid())); err != nil {
		return fmt.Errorf("entering the cgroup: %w", err)
	}
	return nil
}
