package enginetest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/bedlamlab/bedlam/deploy"
)

// exhaustIsRestarted makes a service end for want of memory, and then be killed:
// the first is told apart from the second.
func exhaustIsRestarted(t *testing.T, f *fixture) {
	exhauster := power[deploy.Exhauster](t, f)
	before, ended := f.inspect(t, "back-1"), oomKills(t)
	if err := exhauster.Exhaust(within(t), "back-1"); err != nil {
		t.Fatal(err)
	}
	again := func(before deploy.State) deploy.State {
		t.Helper()
		st := f.until(t, "back-1", "is restarted", func(st deploy.State) bool { return st.Ready && st.Starts > before.Starts })
		if st.Starts != before.Starts+1 {
			t.Errorf("it was started %d times more, want once", st.Starts-before.Starts)
		}
		return st
	}
	after := again(before)
	if after.OOMKills != before.OOMKills+1 {
		t.Errorf("%d of its lives are said to have ended for want of memory, want %d", after.OOMKills, before.OOMKills+1)
	}
	// Others of this machine may add to it, nobody can take away from it.
	if now := oomKills(t); now >= 0 && now <= ended {
		t.Errorf("the kernel says that it has ended nobody")
	}
	if err := healthy(within(t), f.address(t, "front-1", "back-1")); err != nil {
		t.Errorf("it does not answer behind the relay: %v", err)
	}
	if killer, err := deploy.Power[deploy.Killer](f); err == nil {
		if err := killer.Kill(within(t), "back-1"); err != nil {
			t.Fatal(err)
		}
		if killed := again(after); killed.OOMKills != after.OOMKills {
			t.Errorf("killed, it is said to have ended for want of memory")
		}
	}
}

func exhaustHeldStaysDown(t *testing.T, f *fixture) {
	heldStaysDown(t, f, power[deploy.Exhauster](t, f).Exhaust)
}

// oomKills is how many processes the kernel of this machine has ended for want
// of memory, in whatever cgroup; -1 where it does not tell.
func oomKills(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/vmstat")
	if errors.Is(err, fs.ErrNotExist) {
		return -1
	}
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if text, ok := strings.CutPrefix(line, "oom_kill "); ok {
			n, err := strconv.Atoi(strings.TrimSpace(text))
			if err != nil {
				t.Fatal(fmt.Errorf("/proc/vmstat: %w", err))
			}
			return n
		}
	}
	return -1
}
