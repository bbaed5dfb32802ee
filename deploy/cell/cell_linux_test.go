package cell_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/deploy/cell"
	"github.com/bedlamlab/bedlam/deploy/lan"
	"github.com/bedlamlab/bedlam/topology"
)

// cells makes two cells, and removes them at the end of the test.
func cells(t *testing.T) (string, lan.Net, []cell.Cell) {
	t.Helper()
	if err := cell.Check(); err != nil {
		t.Skip(err)
	}
	run := fmt.Sprintf("celltest-%d-%s", os.Getpid(), strings.ToLower(t.Name()))
	taken, err := lan.Taken()
	if err != nil {
		t.Fatal(err)
	}
	subnet, err := lan.Draw(rand.New(rand.NewPCG(uint64(os.Getpid()), 1)), taken)
	if err != nil {
		t.Fatal(err)
	}
	n := lan.In(subnet)
	var inmates []cell.Inmate
	for i, name := range []string{"a", "b"} {
		at, err := n.Address(i + 1)
		if err != nil {
			t.Fatal(err)
		}
		inmates = append(inmates, cell.Inmate{Name: name, Address: at, Limits: topology.Limits{Memory: 64 << 20, CPUs: 0.5}, Threads: 100})
	}
	t.Cleanup(func() {
		if err := cell.Sweep(context.Background(), run); err != nil {
			t.Error(err)
		}
		if left, err := cell.Left(run); err != nil || len(left) > 0 {
			t.Errorf("left: %q, %v", left, err)
		}
	})
	began := time.Now()
	all, err := cell.Build(t.Context(), run, n, inmates)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("built after %s", time.Since(began).Round(time.Millisecond)) // a figure to look at, not one to judge
	return run, n, all
}

// within runs a command in a cell and returns what it says.
func within(t *testing.T, c cell.Cell, words ...string) string {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := c.Start(cmd); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Logf("%q: %v", words, err)
	}
	return out.String()
}

// What runs in a cell is in it from its first moment, sees only its own
// network and has its limits; this process stays where it was.
func TestStart(t *testing.T) {
	before, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	_, _, all := cells(t)
	for i, c := range all {
		ns := strings.TrimSpace(within(t, c, "readlink", "/proc/self/ns/net"))
		if ns == before || !strings.HasPrefix(ns, "net:") {
			t.Errorf("it runs in %q, and this test in %q", ns, before)
		}
		groups := within(t, c, "cat", "/proc/self/cgroup")
		for controller, folder := range c.Cgroups {
			want := ":/" + filepath.Join(filepath.Base(filepath.Dir(folder)), filepath.Base(folder)) + "\n"
			if !strings.Contains(groups, controller) || !strings.Contains(groups, want) {
				t.Errorf("for %s it is not in %s: %s", controller, folder, groups)
			}
		}
		if links := within(t, c, "cat", "/proc/self/net/dev"); strings.Count(links, ":") != 2 || !strings.Contains(links, cell.Device+":") {
			t.Errorf("cell %d has links %s", i, links)
		}
	}
	if _, v2 := all[0].Cgroups[""]; !v2 {
		for file, want := range map[string]string{
			filepath.Join(all[0].Cgroups["memory"], "memory.limit_in_bytes"): "67108864",
			filepath.Join(all[0].Cgroups["cpu"], "cpu.cfs_quota_us"):         "50000",
			filepath.Join(all[0].Cgroups["pids"], "pids.max"):                "100",
		} {
			if b, err := os.ReadFile(file); err != nil || strings.TrimSpace(string(b)) != want {
				t.Errorf("%s is %q (%v), want %s", file, b, err, want)
			}
		}
	}
	if now, err := os.Readlink("/proc/self/ns/net"); err != nil || now != before {
		t.Errorf("this test is now in %s (%v), and was in %s", now, err, before)
	}
}

// A cell is reached from this machine at its own address, and reaches it at
// the gateway's.
func TestReach(t *testing.T) {
	_, n, all := cells(t)
	at, err := n.Address(1)
	if err != nil {
		t.Fatal(err)
	}
	var inside net.Listener
	err = cell.Enter(all[0].Net, func() (err error) {
		inside, err = net.Listen("tcp", net.JoinHostPort(at.String(), "7000"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer inside.Close()
	out, err := net.DialTimeout("tcp", inside.Addr().String(), time.Minute)
	if err != nil {
		t.Fatalf("from here to there: %v", err)
	}
	out.Close()
	gateway, err := net.Listen("tcp", net.JoinHostPort(n.Gateway.String(), "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer gateway.Close()
	for i, c := range all {
		err := cell.Enter(c.Net, func() error {
			conn, err := net.DialTimeout("tcp", gateway.Addr().String(), time.Minute)
			if err == nil {
				conn.Close()
			}
			return err
		})
		if err != nil {
			t.Errorf("from cell %d to here: %v", i, err)
		}
	}
}

// With cgroups v2 a process is born in its cgroup.
func TestStartUnified(t *testing.T) {
	root := "/sys/fs/cgroup"
	if _, err := os.Stat(filepath.Join(root, "cgroup.procs")); err != nil {
		root = "/sys/fs/cgroup/unified"
	}
	if _, err := os.Stat(filepath.Join(root, "cgroup.procs")); err != nil {
		t.Skip("this test needs cgroups v2: ", err)
	}
	_, _, all := cells(t)
	folder := filepath.Join(root, fmt.Sprintf("celltest-%d", os.Getpid()))
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Skip("this test needs to make a cgroup: ", err)
	}
	defer os.Remove(folder)
	c := cell.Cell{Net: all[0].Net, Cgroups: map[string]string{"": folder}}
	if got := within(t, c, "cat", "/proc/self/cgroup"); !strings.Contains(got, "0::/"+filepath.Base(folder)+"\n") {
		t.Errorf("it is in %s", got)
	}
}

// Who takes more memory than the limit is ended by the kernel, and counted.
func TestLimit(t *testing.T) {
	_, _, all := cells(t)
	before, err := all[0].OOMKills()
	if err != nil {
		t.Fatal(err)
	}
	within(t, all[0], "tail", "/dev/zero") // keeps all of its last line, which is endless
	after, err := all[0].OOMKills()
	if err != nil || after <= before {
		t.Errorf("the kernel has ended %d, and %d before (%v)", after, before, err)
	}
	if other, err := all[1].OOMKills(); err != nil || other != 0 {
		t.Errorf("in the other cell it has ended %d (%v)", other, err)
	}
}

// What is half built, or was swept already, is swept without an error.
func TestSweepAgain(t *testing.T) {
	run, n, all := cells(t)
	if _, err := cell.Build(t.Context(), run, n, nil); err == nil {
		t.Error("the same run is built twice")
	}
	if left, err := cell.Left(run); err != nil || len(left) > 0 {
		t.Errorf("after a Build that failed, there is %q (%v)", left, err)
	}
	if err := cell.Sweep(t.Context(), run); err != nil {
		t.Error(err)
	}
	if err := all[0].Start(exec.Command("true")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("in a cell that has gone: %v", err)
	}
}

// A run whose name begins like another's is another run.
func TestSweepIsExact(t *testing.T) {
	run, _, _ := cells(t)
	for _, other := range []string{run[:len(run)-1], run + "x", "*", "celltest*", "[c]*"} {
		if err := cell.Sweep(t.Context(), other); err != nil {
			t.Errorf("%s: %v", other, err)
		}
	}
	left, err := cell.Left(run)
	if err != nil || len(left) < 2+4 {
		t.Errorf("there is only %q left (%v)", left, err)
	}
}
