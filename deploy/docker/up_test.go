package docker_test

import (
	"context"
	"errors"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"
	"go.uber.org/goleak"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/docker"
	"github.com/bedlamlab/bedlam/deploy/enginetest"
	"github.com/bedlamlab/bedlam/topology"
)

// patience bounds every wait; it is no measure of anything.
const patience = time.Minute

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// TestContainersCanDoLittle looks at every container of a system with the
// daemon's eyes: who it is, what it may do and take, and where it stands.
func TestContainersCanDoLittle(t *testing.T) {
	needDaemon(t)
	p := enginetest.Plan(t)
	const memory = 300 << 20
	cpus := float64(runtime.NumCPU()) + 0.5 // the daemon refuses such a number of CPUs
	p.Topology.Services[0].Limits = topology.Limits{Memory: memory, CPUs: cpus}
	s, err := newEngine(t).Up(within(t), p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Down(context.Background()); err != nil {
			t.Error(err)
		}
	})
	c, err := client.New(client.FromEnv)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	names := []string{"relay"}
	for _, in := range p.Topology.Instances() {
		names = append(names, in.Name)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			got, err := c.ContainerInspect(within(t), "bedlam-"+p.Run+"-"+name, client.ContainerInspectOptions{})
			if err != nil {
				t.Fatal(err)
			}
			config, host := got.Container.Config, got.Container.HostConfig
			if config.User == "" || strings.HasPrefix(config.User, "0") || strings.HasPrefix(config.User, "root") {
				t.Errorf("it runs as %q", config.User)
			}
			if !host.ReadonlyRootfs || host.Privileged || !slices.Equal(host.CapDrop, []string{"ALL"}) || len(host.CapAdd) > 0 ||
				!slices.ContainsFunc(host.SecurityOpt, func(o string) bool { return strings.HasPrefix(o, "no-new-privileges") }) {
				t.Errorf("it may do too much: %+v", host)
			}
			if host.RestartPolicy.Name != "no" && host.RestartPolicy.Name != "" {
				t.Errorf("the daemon restarts it: %q", host.RestartPolicy.Name)
			}
			if config.Labels["dev.bedlam.run"] != p.Run || config.Labels["dev.bedlam.instance"] != name {
				t.Errorf("its labels are %v", config.Labels)
			}
			if name == "relay" {
				for port, bound := range host.PortBindings {
					if len(bound) != 1 || !bound[0].HostIP.IsLoopback() {
						t.Errorf("port %s is published at %v", port, bound)
					}
				}
				return
			}
			if len(host.PortBindings) > 0 {
				t.Errorf("ports are published: %v", host.PortBindings)
			}
			if host.Memory == 0 || host.MemorySwap != host.Memory {
				t.Errorf("it may take %d bytes and %d with swap, want a limit without swap", host.Memory, host.MemorySwap)
			}
			if strings.HasPrefix(name, "front") && (host.Memory != memory || float64(host.CPUQuota) != cpus*float64(host.CPUPeriod) || host.CPUPeriod == 0 || !strings.Contains(host.Tmpfs["/tmp"], "size=314572800,")) {
				t.Errorf("its limits are %d bytes, %d of %d µs and %q, want the topology's", host.Memory, host.CPUQuota, host.CPUPeriod, host.Tmpfs["/tmp"])
			}
			own, err := s.Address("", name)
			if err != nil {
				t.Fatal(err)
			}
			at, _, err := net.SplitHostPort(own)
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range got.Container.NetworkSettings.Networks {
				if n.IPAddress.String() != at {
					t.Errorf("it stands at %s, its address is %s", n.IPAddress, own)
				}
			}
		})
	}
}

// TestSweepWithoutAFolder is after a reboot that has emptied /tmp.
func TestSweepWithoutAFolder(t *testing.T) {
	needDaemon(t)
	p := enginetest.Small(t)
	s, err := newEngine(t).Up(within(t), p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Down(context.Background()) })
	if err := os.RemoveAll(p.Scratch); err != nil {
		t.Fatal(err)
	}
	if err := newEngine(t).Sweep(within(t), p.Run, p.Scratch); err != nil {
		t.Fatal(err)
	}
	nothingLeft(t, p.Run)
}

// TestNeighboursAreLeftAlone has a container of somebody else's stand on the
// same daemon, made from the same image and labelled much like ours, while a
// system comes and goes and is swept.
func TestNeighboursAreLeftAlone(t *testing.T) {
	needDaemon(t)
	// The daemon may have no registry to fetch a reaper from; t.Cleanup is ours.
	t.Setenv("TESTCONTAINERS_RYUK_DISABLED", "true")
	p := enginetest.Small(t)
	s, err := newEngine(t).Up(within(t), p)
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(client.FromEnv)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ours, err := c.ContainerInspect(within(t), "bedlam-"+p.Run+"-back-1", client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	neighbour, err := testcontainers.Run(within(t), ours.Container.Config.Image,
		testcontainers.WithEntrypoint("/shop", "back"),
		testcontainers.WithEnv(map[string]string{"SHOP_ASSIGNMENT": `{"listen":"127.0.0.1:8080","settings":{"serve":"grpc","say":"hello"}}`}),
		testcontainers.WithLabels(map[string]string{"dev.bedlam.run": p.Run + "-2", "dev.bedlam.instance": "back-1"}),
		testcontainers.WithWaitStrategy(wait.ForLog("hello")))
	testcontainers.CleanupContainer(t, neighbour)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Down(within(t)); err != nil {
		t.Fatal(err)
	}
	if err := newEngine(t).Sweep(within(t), p.Run, p.Scratch); err != nil {
		t.Fatal(err)
	}
	nothingLeft(t, p.Run)
	if st, err := neighbour.State(within(t)); err != nil || !st.Running {
		t.Errorf("the neighbour is %+v, %v", st, err)
	}
}

// TestNothingOfOursStays looks for goroutines after a Down.
func TestNothingOfOursStays(t *testing.T) {
	needDaemon(t)
	others := goleak.IgnoreCurrent()
	p := enginetest.Small(t)
	s, err := docker.New().Up(within(t), p)
	if err != nil {
		t.Fatal(err)
	}
	killer, err := deploy.Power[deploy.Killer](s)
	if err != nil {
		t.Fatal(err)
	}
	if err := killer.Kill(within(t), "back-1"); err != nil {
		t.Error(err)
	}
	if err := s.Down(within(t)); err != nil {
		t.Fatal(err)
	}
	goleak.VerifyNone(t, others)
}

// TestNoDaemon asks for containers where there are none: one line, and nothing
// to sweep.
func TestNoDaemon(t *testing.T) {
	t.Setenv("DOCKER_HOST", "unix://"+t.TempDir()+"/nobody.sock")
	e := docker.New()
	if err := e.Check(within(t)); err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "nobody.sock") {
		t.Errorf("got %v, want a line that names the socket", err)
	}
	p := enginetest.Small(t)
	if s, err := e.Up(within(t), p); err == nil {
		s.Down(within(t))
		t.Fatal("Up is no error")
	}
	if err := e.Sweep(within(t), p.Run, p.Scratch); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(p.Scratch); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is left (%v)", err)
	}
	// Its folder is lost, perhaps with a reboot: nobody knows what is left.
	if err := e.Sweep(within(t), p.Run, p.Scratch); err == nil {
		t.Error("it knows that nothing is left, without asking anybody")
	}
}
