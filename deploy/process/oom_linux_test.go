package process_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bedlamlab/bedlam/deploy/process"
	"github.com/bedlamlab/bedlam/topology"
)

// Whatever becomes of the command that names an instance to the kernel: whoever
// lives on stands as it did. It is asked to end first.
func TestExhaustTakesItsNameBack(t *testing.T) {
	for _, c := range []struct {
		why, script string
		asked       bool
	}{
		{"it ends when it is asked to", "cat >/dev/null\n: >asked", true},
		{"it has to be ended, and takes nothing back", "exec sleep 3600", false},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel() // one of them waits
			victim := exec.Command("sleep", "3600")
			if err := victim.Start(); err != nil {
				t.Fatal(err)
			}
			defer victim.Wait()
			defer victim.Process.Kill()
			score := func() string {
				b, err := os.ReadFile(fmt.Sprintf("/proc/%d/oom_score_adj", victim.Process.Pid))
				if err != nil {
					t.Fatal(err)
				}
				return strings.TrimSpace(string(b))
			}
			before, scratch := score(), t.TempDir()
			folder := filepath.Join(scratch, "a-1")
			if err := os.Mkdir(folder, 0o700); err != nil {
				t.Fatal(err)
			}
			// A shell that is told to "exhaust DIR BYTES PID" there runs this file.
			if err := os.WriteFile(filepath.Join(folder, "exhaust"), []byte("echo 1000 >/proc/$3/oom_score_adj\n"+c.script+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			ctx, giveUp := context.WithCancel(within(t))
			defer giveUp()
			gone := make(chan error, 1)
			go func() {
				gone <- process.Exhaust(ctx, scratch, "/bin/sh", topology.System{Services: []topology.Service{{Name: "a", Replicas: 1}}}, victim.Process.Pid)
			}()
			eventually(t, "it is at work", func() bool { return score() == "1000" })
			giveUp()
			if err := <-gone; !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			if after := score(); after != before {
				t.Errorf("its score is %s, want %s as before", after, before)
			}
			if _, err := os.Stat(filepath.Join(folder, "asked")); (err == nil) != c.asked {
				t.Errorf("it was asked to end and did: %t, want %t (%v)", err == nil, c.asked, err)
			}
		})
	}
}
