package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/bedlamlab/bedlam/deploy/docker"
	"github.com/bedlamlab/bedlam/deploy/supervise"
	"github.com/bedlamlab/bedlam/verify/built"
	"github.com/bedlamlab/bedlam/verify/heal"
)

// townTime bounds every wait; it measures nothing.
const townTime = 3 * time.Minute

// A town is two containers that somebody else has started: a web server that
// takes itself for a shop, and one that does nothing, of service back.
type town struct {
	place
	t    *testing.T
	ctx  context.Context
	api  *client.Client
	name string
	port int
	ids  map[string]string // by instance
}

// newTown skips where there is no Docker.
func newTown(t *testing.T) *town {
	programs := built.Programs(t, filepath.Join("..", ".."))
	if v, err := docker.Version(t.Context()); err != nil {
		t.Skip("needs Docker: ", err)
	} else {
		t.Log("Docker ", v)
	}
	ctx, cancel := context.WithTimeout(t.Context(), townTime)
	t.Cleanup(cancel)
	api, err := client.New(client.FromEnv)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { api.Close() })
	w := &town{place: place{programs, built.Folder(t)}, t: t, ctx: ctx, api: api, ids: map[string]string{},
		name: fmt.Sprintf("bedlam-town-%d-%d", os.Getpid(), time.Now().UnixNano())}
	for _, name := range []string{"state", "tmp"} {
		w.must(os.Mkdir(filepath.Join(w.dir, name), 0o755))
	}
	ports, err := supervise.TakeBlock(1)
	w.must(err)
	t.Cleanup(ports.Release)
	w.port = ports.Ports()[0]
	w.image()
	yes := map[string]string{"dev.bedlam.chaos": "yes"}
	w.start("gateway-1", yes)
	w.start("back-1", yes)
	w.write()
	return w
}

func (w *town) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// image makes the image that the town's containers run.
func (w *town) image() {
	w.t.Helper()
	program := filepath.Join(w.dir, "town")
	build := exec.Command("go", "build", "-o", program, "./testdata/town")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		w.t.Fatalf("%v\n%s", err, out)
	}
	files, err := heal.Image(program)
	w.must(err)
	imported, err := w.api.ImageImport(w.ctx, client.ImageImportSource{Source: files, SourceName: "-"}, w.name+":test", client.ImageImportOptions{})
	w.must(err)
	_, err = io.Copy(io.Discard, imported)
	w.must(err)
	w.must(imported.Close())
	w.t.Cleanup(func() {
		w.api.ImageRemove(context.Background(), w.name+":test", client.ImageRemoveOptions{Force: true, PruneChildren: true})
	})
}

// start starts an instance's container, with labels besides those that name it.
func (w *town) start(instance string, labels map[string]string) string {
	w.t.Helper()
	all := map[string]string{"dev.bedlam.instance": instance, "dev.example.town": w.name}
	for key, value := range labels {
		all[key] = value
	}
	port := network.MustParsePort("8080/tcp")
	c := &container.Config{Image: w.name + ":test", Cmd: []string{"/program"}, Labels: all}
	h := &container.HostConfig{NetworkMode: "bridge"}
	if instance == "gateway-1" {
		c.ExposedPorts = network.PortSet{port: {}}
		h.PortBindings = network.PortMap{port: {{HostIP: netip.MustParseAddr("127.0.0.1"), HostPort: strconv.Itoa(w.port)}}}
	}
	made, err := w.api.ContainerCreate(w.ctx, client.ContainerCreateOptions{Config: c, HostConfig: h})
	w.must(err)
	w.t.Cleanup(func() {
		w.api.ContainerRemove(context.Background(), made.ID, client.ContainerRemoveOptions{Force: true})
	})
	_, err = w.api.ContainerStart(w.ctx, made.ID, client.ContainerStartOptions{})
	w.must(err)
	w.ids[instance] = made.ID
	return made.ID
}

// write writes the file that names the town, and two experiments.
func (w *town) write() {
	w.t.Helper()
	for name, text := range map[string]string{
		"town.yaml": fmt.Sprintf(`name: town
services:
  - {name: gateway, replicas: 1, protocol: http}
  - {name: back, replicas: 1, protocol: grpc}
edges:
  - {from: loader, to: gateway, protocol: http}
  - {from: gateway, to: back, protocol: grpc}
containers: {with: {dev.example.town: %s}}
addresses: {gateway-1: "127.0.0.1:%d"}
`, w.name, w.port),
		"pause.yaml": experiment("{action: pause, selector: {services: [back]}, mode: all, share: 100}"),
		"kill.yaml":  experiment("{action: kill, hold: true, selector: {services: [back]}, mode: all, share: 100}"),
		"slow.yaml":  experiment("{action: latency, selector: {services: [gateway]}, target: {services: [back]}, mode: all, share: 100, delay: {latency: 50ms}}"),
	} {
		w.must(os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o644))
	}
}

func experiment(step string) string {
	return "title: T\nsteady-state-hypothesis: {title: T, probes: [{name: goodput, tolerance: [0, 1]}]}\nmethod: [" + step + "]\n"
}

// state is what the daemon says of an instance's container.
func (w *town) state(instance string) *container.State {
	w.t.Helper()
	got, err := w.api.ContainerInspect(w.ctx, w.ids[instance], client.ContainerInspectOptions{})
	w.must(err)
	return got.Container.State
}

// asItWas reports whether both run and none is paused.
func (w *town) asItWas() bool {
	for in := range w.ids {
		if s := w.state(in); !s.Running || s.Paused || s.Restarting {
			return false
		}
	}
	return true
}

func (w *town) until(what string, is func() bool) {
	w.t.Helper()
	for !is() {
		select {
		case <-w.ctx.Done():
			w.t.Fatalf("it is still not so: %s", what)
		case <-time.After(50 * time.Millisecond): // polled: it happens in containers and in another process
		}
	}
}

// nothingLeft looks for what a run leaves in its folders.
func (w *town) nothingLeft() {
	w.t.Helper()
	for _, name := range []string{"state", "state/runs", "tmp"} {
		left, err := os.ReadDir(filepath.Join(w.dir, name))
		if len(left) == 1 && left[0].Name() == "runs" {
			continue
		}
		if err != nil || len(left) > 0 {
			w.t.Errorf("left in %s: %v, %v", name, left, err)
		}
	}
}

// TestAttachedRun does a whole run on somebody else's containers.
func TestAttachedRun(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	code, out, wrong := w.run(t, "run", "--system", "town.yaml", "--rate", "5", "--out", "r", "./slow.yaml", "./pause.yaml", "./kill.yaml")
	if code == exitPass || code == exitUsage || code == exitNotLifted { // the town is no shop, and sends no traces
		t.Fatalf("exit code %d\n%s\n%s", code, out, wrong)
	}
	for _, want := range []string{
		"engine attached",
		"slow: nothing was harmed: slow/1: latency: this engine has no Shaper",
		"back-1 is frozen", "back-1 is down", "by this probe alone (no traces: town.yaml names no telemetry address)",
		"no audit: town.yaml names no store to read", "again: bedlam run --system town.yaml",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the report does not say %q", want)
		}
	}
	if t.Failed() {
		t.Log(out, wrong)
	}
	if !w.asItWas() {
		t.Error("the containers are not as they were")
	}
	w.nothingLeft()
}

// TestAttachedIsHealed kills Bedlam with -9 while it harms somebody else's
// container: its guard puts everything right at once; without a guard, the next
// heal does.
func TestAttachedIsHealed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		file  string
		is    func(*container.State) bool
		guard bool // it lives
	}{
		{"./pause.yaml", func(s *container.State) bool { return s.Paused }, true},
		{"./pause.yaml", func(s *container.State) bool { return s.Paused }, false},
		{"./kill.yaml", func(s *container.State) bool { return !s.Running }, true},
		{"./kill.yaml", func(s *container.State) bool { return !s.Running }, false},
	} {
		t.Run(fmt.Sprintf("%s, guard %t", c.file, c.guard), func(t *testing.T) {
			t.Parallel() // a run is mostly waiting for its baseline
			w := newTown(t)
			cmd := w.bedlam("run", "--system", "town.yaml", "--rate", "5", "--out", "r", c.file)
			var said bytes.Buffer
			cmd.Stderr = &said
			w.must(cmd.Start())
			t.Cleanup(func() {
				cmd.Process.Kill()
				cmd.Wait()
				if t.Failed() {
					t.Log(said.String())
				}
			})
			w.until("it is harmed", func() bool { return c.is(w.state("back-1")) })
			if !c.guard {
				marks, err := filepath.Glob(filepath.Join(w.dir, "state", "runs", "*.guard"))
				if err != nil || len(marks) != 1 {
					t.Fatalf("guards %v, %v", marks, err)
				}
				text, err := os.ReadFile(marks[0])
				w.must(err)
				pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
				w.must(err)
				// Stopped first, so that its owner does not start another.
				w.must(cmd.Process.Signal(syscall.SIGSTOP))
				w.must(syscall.Kill(pid, syscall.SIGKILL))
			}
			w.must(cmd.Process.Kill())
			cmd.Wait()
			if !c.guard {
				if w.asItWas() {
					t.Error("nobody was there to put it right, and it is right")
				}
				if code, out, wrong := w.run(t, "heal"); code != 0 || !strings.Contains(out+wrong, "healing what run") {
					t.Errorf("heal: exit code %d: %s%s", code, out, wrong)
				}
				if !w.asItWas() {
					t.Error("healed, it is not as it was")
				}
			}
			w.until("all is as it was", w.asItWas)
			w.until("the run is forgotten", func() bool {
				left, err := os.ReadDir(filepath.Join(w.dir, "state", "runs"))
				return err == nil && len(left) == 0
			})
			w.nothingLeft()
		})
	}
}

// TestAttachedIsRefused asks for containers of people who have not consented.
func TestAttachedIsRefused(t *testing.T) {
	w := newTown(t)
	_, err := w.api.ContainerRemove(w.ctx, w.ids["back-1"], client.ContainerRemoveOptions{Force: true})
	w.must(err)
	w.start("back-1", nil)
	before := w.state("back-1")
	name, err := w.api.ContainerInspect(w.ctx, w.ids["back-1"], client.ContainerInspectOptions{})
	w.must(err)
	code, out, wrong := w.run(t, "run", "--system", "town.yaml", "--out", "r", "./kill.yaml")
	lines := bufio.NewScanner(strings.NewReader(wrong))
	lines.Scan()
	if code != exitUsage || out != "" || lines.Scan() || !strings.Contains(wrong, strings.TrimPrefix(name.Container.Name, "/")) || !strings.Contains(wrong, "dev.bedlam.chaos=yes") {
		t.Errorf("exit code %d, it says %q, want one line that names container %s and the label", code, wrong, name.Container.Name)
	}
	if _, err := os.Stat(filepath.Join(w.dir, "r")); err == nil {
		t.Error("a folder for the run was made")
	}
	if after := w.state("back-1"); !after.Running || after.StartedAt != before.StartedAt {
		t.Errorf("it was %+v and is %+v", before, after)
	}
}
