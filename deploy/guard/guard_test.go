package guard_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/deploy/guard"
)

// The test binary is executed again as an owner, which starts it again as a
// guard: GUARD_ROLE says which, the rest is what it needs to know.
const (
	roleEnv  = "GUARD_ROLE"
	stateEnv = "GUARD_STATE"
	idEnv    = "GUARD_ID"
)

// The shortest lease that Main takes, so that the tests need not wait for five seconds.
const lease = time.Second

func TestMain(m *testing.M) {
	var err error
	switch os.Getenv(roleEnv) {
	case "":
		os.Exit(m.Run())
	case "owner":
		err = own(os.Getenv(stateEnv), os.Getenv(idEnv))
	case "guard":
		err = guard.Main(context.Background(), os.Stdin, os.Getenv(stateEnv), os.Getenv(idEnv), lease, heal)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// heal notes in the run's scratch folder that it was called, and for whom.
func heal(_ context.Context, r guard.Run) error {
	f, err := os.OpenFile(filepath.Join(r.Scratch, "heals"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = fmt.Fprintf(f, "%s hanging=%t\n", r.ID, r.Hanging)
	return err
}

func heals(t *testing.T, scratch string) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(scratch, "heals"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(b)), "\n")
}

// own registers a run, starts its guard and does what it is told, line by line.
func own(state, id string) error {
	ctx := context.Background()
	r, err := guard.Register(state, guard.Run{ID: id, Engine: "test", Scratch: state, Folder: state, PID: os.Getpid(), Started: time.Now()})
	if err != nil {
		return err
	}
	os.Setenv(roleEnv, "guard")
	p, err := guard.Start(ctx, os.Args[0], nil, r)
	if err != nil {
		return err
	}
	fmt.Println("guard", p.PID())
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		switch in.Text() {
		case "renew":
			fmt.Println("lost", errors.Is(r.Renew(), guard.ErrLeaseLost))
		case "pid":
			fmt.Println("guard", p.PID())
		case "end":
			if err := r.Close(); err != nil {
				return err
			}
			return p.Stop(ctx)
		}
	}
	select {} // the test has gone: it kills whom it leaves behind
}

// An owner is the other process, as the test sees it.
type owner struct {
	*exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func start(t *testing.T, state, id string) *owner {
	t.Helper()
	o := &owner{Cmd: exec.Command(os.Args[0])}
	o.Env = append(os.Environ(), roleEnv+"=owner", stateEnv+"="+state, idEnv+"="+id)
	o.Stderr = os.Stderr
	var err error
	if o.in, err = o.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := o.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	o.out = bufio.NewScanner(out)
	if err := o.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.kill() })
	return o
}

func (o *owner) kill() {
	o.Process.Signal(syscall.SIGKILL)
	o.Wait()
}

// ask says word and returns the answer to the question of that name.
func (o *owner) ask(t *testing.T, word string) string {
	t.Helper()
	fmt.Fprintln(o.in, word)
	return o.hear(t)
}

func (o *owner) hear(t *testing.T) string {
	t.Helper()
	if !o.out.Scan() {
		t.Fatal("the owner has ended")
	}
	_, value, _ := strings.Cut(o.out.Text(), " ")
	return value
}

// guardian returns the process id of the owner's guard.
func (o *owner) guardian(t *testing.T, said string) int {
	t.Helper()
	var pid int
	if _, err := fmt.Sscan(said, &pid); err != nil {
		t.Fatal(err)
	}
	return pid
}

// eventually polls, because what is waited for happens in another process,
// which is often not even our child; a minute is no measure of anything.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for until := time.Now().Add(time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("after a minute it is still not so: %s", what)
		}
	}
}

// runs reports whether a process that is not our child runs.
func runs(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return syscall.Kill(pid, 0) == nil
	}
	_, after, _ := strings.Cut(string(b), ") ")
	return !strings.HasPrefix(after, "Z")
}

func entries(t *testing.T, state string) []string {
	t.Helper()
	dir := filepath.Join(state, "runs")
	inside, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // not there yet: nobody has registered
		t.Fatal(err)
	}
	var found []string
	for _, e := range inside {
		found = append(found, filepath.Join(dir, e.Name()))
	}
	return found
}
