package postgres_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/deploy/postgres"
)

// mainEnv makes this test binary a container's first process.
const mainEnv = "BEDLAM_TEST_MAIN"

// long bounds what a test waits for. It is no measure: a machine that needs
// longer is broken.
const long = 2 * time.Minute

// first starts Main in a process of its own.
func first(t *testing.T, o any) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	b, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), long)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestMainPassesSignalsOn$")
	cmd.Env = append(os.Environ(), mainEnv+"=1", postgres.OptionsEnv+"="+string(b))
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, &said
}

func ended(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	if err := cmd.Wait(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode()
}

func TestMainPassesSignalsOn(t *testing.T) {
	if os.Getenv(mainEnv) != "" {
		code, err := postgres.Main(context.Background())
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(99)
		}
		os.Exit(code)
	}
	_, dir := install(t)
	o := options(t, dir)
	t.Cleanup(func() { // if the test ends early
		postgres.Kill(o.Dir)
		postgres.Clean(o.Dir)
	})
	for _, c := range []struct {
		how  string
		end  func(cmd *exec.Cmd) error
		code int
	}{
		{"a fast shutdown", func(cmd *exec.Cmd) error { return cmd.Process.Signal(postgres.FastShutdown) }, 0},
		{"a smart shutdown", func(cmd *exec.Cmd) error { return cmd.Process.Signal(syscall.SIGTERM) }, 0},
		{"a crash of all of it", func(*exec.Cmd) error { return postgres.Kill(o.Dir) }, 128 + 9},
		{"a fast shutdown after the crash", func(cmd *exec.Cmd) error { return cmd.Process.Signal(postgres.FastShutdown) }, 0},
	} {
		cmd, said := first(t, o)
		ready := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second) // of one try; a refused login ends it at once
			defer cancel()
			return postgres.Ready(ctx, postgres.DSN(o, "audit"))
		}
		until := time.Now().Add(long)
		for err := ready(); err != nil; err = ready() {
			if time.Now().After(until) {
				t.Fatalf("before %s: %v\n%s", c.how, err, said)
			}
			time.Sleep(10 * time.Millisecond) // a server tells nobody that its roles are there: it is asked
		}
		if err := c.end(cmd); err != nil {
			t.Fatal(err)
		}
		if got := ended(t, cmd); got != c.code {
			t.Errorf("after %s its code is %d, want %d\n%s", c.how, got, c.code, said)
		}
		if pids := processes(t, o.Dir); len(pids) > 0 {
			t.Errorf("after %s processes %v are left", c.how, pids)
		}
	}
	if err := postgres.Clean(o.Dir); err != nil {
		t.Error(err)
	}
	gone(t, o.Dir)
}

func TestMainSaysWhatIsWrong(t *testing.T) {
	_, dir := install(t)
	bad := options(t, dir)
	bad.Password = ""
	for want, told := range map[string]any{
		postgres.OptionsEnv: "nonsense",
		"no password":       bad,
		"absolute path":     postgres.Options{Dir: "here", Port: 1, Password: "x"},
	} {
		cmd, said := first(t, told)
		if got := ended(t, cmd); got != 99 || !strings.Contains(said.String(), want) {
			t.Errorf("told %v, it ends with code %d and says %s", told, got, said)
		}
	}
}
