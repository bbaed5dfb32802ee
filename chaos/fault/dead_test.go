package fault_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/fault"
	"github.com/bedlamlab/bedlam/deploy/postgres"
)

// injectorEnv holds, for the test's binary run again, what it is to inject.
const injectorEnv = "BEDLAM_TEST_INJECT"

// An order is what another process is to inject.
type order struct {
	Store  postgres.Options
	Faults []chaos.Resolved
}

// TestInjector is the other process: it injects, says so, and says when it
// keeps no vigil any more.
func TestInjector(t *testing.T) {
	text := os.Getenv(injectorEnv)
	if text == "" {
		t.Skip("it is the other process of TestTheInjectorDies and TestTheInjectorHangs")
	}
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		t.Fatal(err)
	}
	s := newFake()
	s.store = o.Store
	for _, r := range o.Faults {
		f, err := fault.Build(r)
		if err == nil {
			err = f.Inject(t.Context(), s)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	fmt.Println("injected")
	for _, r := range o.Faults {
		ended := fault.Vigil(r.ID, s)
		if ended == nil {
			t.Fatalf("%s is held by nobody", r.Action)
		}
		<-ended
	}
	fmt.Println("over")
}

// injector starts the other process and returns when it has injected; its
// lines follow.
func injector(t *testing.T, o order) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(os.Args[0], "-test.run=^TestInjector$")
	c.Env = append(os.Environ(), injectorEnv+"="+string(text))
	c.Stderr = t.Output()
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	lines := bufio.NewScanner(out)
	heard := []string{}
	for lines.Scan() {
		if lines.Text() == "injected" {
			return c, lines
		}
		heard = append(heard, lines.Text())
	}
	t.Fatalf("the other process injects nothing: %s", strings.Join(heard, "\n"))
	return nil, nil
}

func harms() []chaos.Resolved {
	return []chaos.Resolved{
		{ID: "x/1", Action: "lock_table", Instances: []string{"db-1"}, Args: chaos.RawArgs(`{"table":"back.things"}`)},
		{ID: "x/2", Action: "exhaust_connections", Instances: []string{"db-1"}},
		{ID: "x/3", Action: "crash_loop", Instances: []string{"back-1"}, Args: chaos.RawArgs(`{"life":"0s"}`)},
	}
}

// liftedBy lifts the other process's harms from here and wants a client to
// feel nothing of them.
func liftedBy(t *testing.T, s *fake, harms []chaos.Resolved) {
	t.Helper()
	for _, r := range harms {
		f, err := fault.Build(journalled(t, r))
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Lift(t.Context(), s); err != nil {
			t.Errorf("%s: %v", r.Action, err)
		}
		looks(t, f.(chaos.Prober), s, false)
	}
	c := client(t, s.store, "back")
	if _, err := c.Exec(t.Context(), "SET lock_timeout = '5s'; SELECT count(*) FROM things"); err != nil {
		t.Errorf("a client still feels it: %v", err)
	}
}

// TestTheInjectorDies kills the process that holds the harms: with it they are
// gone, and another process sees that they are.
func TestTheInjectorDies(t *testing.T) {
	t.Parallel() // most of it is waiting
	s := stored(t)
	c, _ := injector(t, order{s.store, harms()})
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait()
	liftedBy(t, s, harms())
}

// TestTheInjectorHangs freezes the process that holds the harms, so that all of
// its connections stay open: the server ends its sessions by their lease, and
// when it wakes up after a lease it harms nobody any more.
func TestTheInjectorHangs(t *testing.T) {
	t.Parallel() // most of it is waiting
	s := stored(t)
	c, lines := injector(t, order{s.store, harms()})
	if err := c.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	frozen := time.Now()
	liftedBy(t, s, harms())
	// It is the lease that is waited for, and nothing tells of its end.
	time.Sleep(time.Until(frozen.Add(fault.Lease)))
	if err := c.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	defer time.AfterFunc(time.Minute, func() { _ = c.Process.Signal(syscall.SIGQUIT) }).Stop() // it says where it hangs
	if !lines.Scan() || lines.Text() != "over" {
		t.Errorf("its vigils did not end: %q", lines.Text())
	}
	liftedBy(t, s, harms())
}
