package fault_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/fault"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/disk"
	"github.com/bedlamlab/bedlam/deploy/docker"
	"github.com/bedlamlab/bedlam/deploy/enginetest"
	"github.com/bedlamlab/bedlam/deploy/process"
)

// Each harm to a disk is felt by who commits to a real PostgreSQL on it, and is
// seen by its own probe while it is on, and only then. A disk that is served anew
// has it again; another process lifts it, and the server is well again.
func TestDisks(t *testing.T) {
	if err := disk.Check(); err != nil {
		t.Skip(err)
	}
	for _, engine := range []deploy.Engine{process.New(process.Options{Isolation: process.None}), docker.New()} {
		t.Run(engine.Name(), func(t *testing.T) {
			if c, ok := engine.(deploy.Checker); ok {
				if err := c.Check(t.Context()); err != nil {
					t.Skip(err)
				}
			}
			harmsDisks(t, engine)
		})
	}
}

func harmsDisks(t *testing.T, engine deploy.Engine) {
	plan := enginetest.Plan(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute) // bounds every wait; it is no measure of anything
	defer cancel()
	plan.Disks = true
	s, err := engine.Up(ctx, plan)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		if err := s.Down(ctx); err != nil {
			t.Error(err)
		}
		if left, err := disk.Left(plan.Scratch); err != nil || len(left) > 0 {
			t.Errorf("left: %q, %v", left, err)
		}
	})
	other, err := engine.Attach(ctx, plan.Scratch)
	if err != nil {
		t.Fatal(err)
	}
	const store = "pg-1"
	if err := commit(ctx, s, "CREATE TABLE IF NOT EXISTS lines (line text)"); err != nil {
		t.Fatal(err)
	}
	const long = "INSERT INTO lines SELECT repeat('x', 1000) FROM generate_series(1, 100)"
	for _, c := range []struct {
		action, args string
		felt         func(took time.Duration, err error) error
		dies         bool // who serves the disk, while it is on
	}{
		// Not at fsync: after a crash a server syncs each of its thousand files.
		{"disk_slow", `{"latency":"20ms","operations":["write"]}`, func(took time.Duration, err error) error {
			if err == nil && took < 20*time.Millisecond {
				return fmt.Errorf("a commit took %s", took)
			}
			return err
		}, true},
		{"disk_slow", `{"latency":"20ms","percent":50,"operations":["read","fsync"]}`, func(_ time.Duration, err error) error { return err }, false},
		{"disk_full", ``, func(_ time.Duration, err error) error {
			if got := code(err); got != "53100" {
				return fmt.Errorf("a commit ended with %q (%v), want 53100", got, err)
			}
			return nil
		}, false},
		{"disk_read_only", ``, func(_ time.Duration, err error) error {
			if err == nil {
				return fmt.Errorf("a commit was taken")
			}
			return nil
		}, false},
	} {
		t.Run(c.action+c.args, func(t *testing.T) {
			r := chaos.Resolved{ID: "x/" + c.action, Action: c.action, Instances: []string{store}, Args: chaos.RawArgs(c.args), Seed: 7}
			if err := fault.Supported(r, s); err != nil {
				t.Fatal(err)
			}
			f, err := fault.Build(r)
			if err != nil {
				t.Fatal(err)
			}
			p := f.(chaos.Prober)
			unseen := func(injected bool) {
				t.Helper()
				if saw, err := p.Probe(ctx, s, injected); err == nil {
					t.Errorf("the probe of injected %t saw %s", injected, saw)
				}
			}
			unseen(true)
			looks(t, p, s, false)
			if err := f.Inject(ctx, s); err != nil {
				t.Fatal(err)
			}
			looks(t, p, s, true)
			unseen(false)
			if c.dies {
				starts := inspect(ctx, t, s, store).Starts
				endServer(t, disk.At(plan.Scratch, store))
				for inspect(ctx, t, s, store).Starts == starts { // its supervisor's pause
					time.Sleep(5 * time.Millisecond)
				}
				awaitReady(ctx, t, s, store)
				looks(t, p, s, true)
			}
			began := time.Now()
			err = commit(ctx, s, long)
			if err := c.felt(time.Since(began), err); err != nil {
				t.Error(err)
			}
			again, err := fault.Build(journalled(t, r))
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := again.Lift(ctx, other); err != nil {
					t.Fatal(err)
				}
			}
			holder, err := deploy.Power[deploy.Holder](s)
			if err != nil {
				t.Fatal(err)
			}
			if err := holder.Release(ctx, store); err != nil { // at once, if it is down
				t.Fatal(err)
			}
			looks(t, p, s, false)
			if err := commit(ctx, s, long); err != nil {
				t.Errorf("after the lift: %v", err)
			}
			unseen(true)
		})
	}
}

// commit logs in at the store as the service that keeps its data there and does
// something.
func commit(ctx context.Context, s deploy.System, sql string) error {
	p, err := deploy.Power[deploy.Insider](s)
	if err != nil {
		return err
	}
	dsn, err := p.Login("pg-1", "front")
	if err != nil {
		return err
	}
	c, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	_, err = c.Exec(ctx, sql)
	return err
}

func inspect(ctx context.Context, t *testing.T, s deploy.System, instance string) deploy.State {
	t.Helper()
	p, err := deploy.Power[deploy.Inspector](s)
	if err != nil {
		t.Fatal(err)
	}
	st, err := p.Inspect(ctx, instance)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func awaitReady(ctx context.Context, t *testing.T, s deploy.System, instance string) {
	t.Helper()
	for !inspect(ctx, t, s, instance).Ready {
		time.Sleep(5 * time.Millisecond) // readiness is asked for
	}
}

// endServer kills the process that serves a disk.
func endServer(t *testing.T, d disk.Disk) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range all {
		if at, err := os.Readlink(link); err == nil && at == filepath.Dir(d.Files) {
			var pid int
			fmt.Sscanf(link, "/proc/%d/cwd", &pid)
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatal("nobody serves it")
}

// Only stores have a disk to harm, and only where each has one of its own.
func TestDisksRefuse(t *testing.T) {
	f := newFake()
	r := chaos.Resolved{ID: "x/1", Action: "disk_full", Instances: []string{"back-1"}}
	if err := fault.Fit(r, shop()); err == nil {
		t.Error("an instance that keeps no files fits")
	}
	if err := fault.Supported(r, f); err == nil {
		t.Error("an instance that keeps no files is supported")
	}
	if len(f.calls) > 0 {
		t.Errorf("although it cannot, it did %q", f.calls)
	}
	for action, want := range map[string]bool{"disk_full": true, "disk_slow": true, "disk_read_only": true, "packet_loss": false, "lock_table": false} {
		if got := fault.Disks(action); got != want {
			t.Errorf("%s wants a disk for each store: %t", action, got)
		}
	}
}
