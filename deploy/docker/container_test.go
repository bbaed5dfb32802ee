package docker

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	api "github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/bedlamlab/bedlam/deploy"
)

func TestContainerLife(t *testing.T) {
	l := newLab(t)
	id := l.cast(spec{Instance: "front-1"}, "live")
	if v := l.look(id); v.Running || !v.Started.IsZero() || v.Labels[deploy.LabelInstance] != "front-1" || v.Name != "bedlam-"+l.run+"-front-1" {
		t.Errorf("made and not started, it is %+v", v)
	}
	for life := range 2 { // the second is a restart
		l.must(l.start(l.ctx, id))
		l.alive(id)
		l.must(l.start(l.ctx, id)) // idempotent
		v := l.look(id)
		if !v.Running || v.Paused || v.PID == 0 || v.Started.IsZero() {
			t.Errorf("life %d: it is %+v", life, v)
		}
		if b, err := os.ReadFile("/proc/" + strconv.Itoa(v.PID) + "/comm"); err == nil && strings.TrimSpace(string(b)) != "shop" {
			t.Errorf("life %d: process %d is %s", life, v.PID, b)
		}
		l.must(l.kill(l.ctx, id, syscall.SIGTERM))
		e, err := l.wait(l.ctx, id)
		l.must(err)
		if e.Code != 0 || e.OOMKilled {
			t.Errorf("life %d ended with %+v after SIGTERM", life, e)
		}
		if v := l.look(id); v.Running || v.PID != 0 {
			t.Errorf("life %d: ended, it is %+v", life, v)
		}
	}
	for range 2 {
		l.must(l.remove(l.ctx, id)) // idempotent
	}
	if _, err := l.inspect(l.ctx, id); !errors.Is(err, errUnknown) {
		t.Errorf("a removed container: %v", err)
	}
	if _, err := l.wait(l.ctx, id); !errors.Is(err, errUnknown) {
		t.Errorf("waiting for a removed container: %v", err)
	}
}

func TestContainerEnds(t *testing.T) {
	l := newLab(t)
	id := l.play(spec{}, "exit", "7")
	if e, err := l.wait(l.ctx, id); err != nil || e != (exit{Code: 7}) {
		t.Errorf("by itself, it ended with %+v, %v", e, err)
	}
	// Not every such end is heard of; of several, one is.
	id = l.cast(spec{Memory: 32 << 20}, "eat")
	l.until("an end for want of memory is heard of", func() bool {
		l.must(l.start(l.ctx, id))
		e, err := l.wait(l.ctx, id)
		l.must(err)
		if e.Code != 137 {
			t.Fatalf("without memory, it ended with %+v", e)
		}
		return e.OOMKilled
	})
	id = l.play(spec{}, "live")
	l.must(l.kill(l.ctx, id, syscall.SIGKILL))
	if v := l.look(id); v.Running {
		t.Error("kill returned, and it runs")
	}
	if e, err := l.wait(l.ctx, id); err != nil || e.Code != 137 || e.OOMKilled {
		t.Errorf("killed, it ended with %+v, %v", e, err)
	}
}

// Who acts on what does not run is told so, and by which error.
func TestContainerGone(t *testing.T) {
	l := newLab(t)
	id := l.play(spec{}, "exit", "0")
	_, err := l.wait(l.ctx, id)
	l.must(err)
	for what, do := range map[string]func(string) error{
		"SIGKILL": func(id string) error { return l.kill(l.ctx, id, syscall.SIGKILL) },
		"SIGTERM": func(id string) error { return l.kill(l.ctx, id, syscall.SIGTERM) },
		"pause":   func(id string) error { return l.pause(l.ctx, id) },
	} {
		if err := do(id); !errors.Is(err, errGone) {
			t.Errorf("%s of a container that has ended: %v", what, err)
		}
		if err := do("bedlam-" + l.run + "-nobody"); !errors.Is(err, errUnknown) {
			t.Errorf("%s of a container that was never there: %v", what, err)
		}
	}
	if err := l.unpause(l.ctx, id); err != nil {
		t.Errorf("resuming one that has died: %v", err)
	}
	if err := l.unpause(l.ctx, "bedlam-"+l.run+"-nobody"); !errors.Is(err, errUnknown) {
		t.Errorf("resuming one that was never there: %v", err)
	}
	if _, err := l.exec(l.ctx, id, "/shop", "exit", "0"); !errors.Is(err, errGone) {
		t.Errorf("a command in a container that has ended: %v", err)
	}
}

func TestPause(t *testing.T) {
	l := newLab(t)
	n, ip := l.net()
	id := l.play(spec{Network: n.ID, IP: ip}, "live", ip.String()+":7000")
	l.alive(id)
	conn, err := net.Dial("tcp", ip.String()+":7000")
	l.must(err)
	defer conn.Close()
	echo := func(patience time.Duration) error {
		conn.SetDeadline(time.Now().Add(patience))
		if _, err := conn.Write([]byte("x")); err != nil {
			return err
		}
		_, err := conn.Read(make([]byte, 1))
		return err
	}
	l.must(echo(labTime))
	for range 2 {
		l.must(l.pause(l.ctx, id)) // idempotent
	}
	if v := l.look(id); !v.Paused || !v.Running {
		t.Errorf("paused, it is %+v", v)
	}
	if err := echo(300 * time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a paused container answers: %v", err)
	}
	for range 2 {
		l.must(l.unpause(l.ctx, id)) // idempotent
	}
	l.must(echo(labTime)) // the answer to what was asked before
	// One that is frozen dies as well as any.
	l.must(l.pause(l.ctx, id))
	l.must(l.kill(l.ctx, id, syscall.SIGKILL))
	if e, err := l.wait(l.ctx, id); err != nil || e.Code != 137 {
		t.Errorf("killed while paused, it ended with %+v, %v", e, err)
	}
}

// What a container may do, as the kernel sees it, and what the daemon was told
// to do with it.
func TestContainerIsConfined(t *testing.T) {
	l := newLab(t)
	s := spec{
		Memory: 64 << 20, CPUs: 0.5, ReadOnly: true, Tmpfs: map[string]int64{"/scratch": 1 << 20},
		User: "1234:1234", Env: []string{"GREETING=hello"}, Labels: map[string]string{"color": "red"},
		Volume: map[string]string{"bedlam-" + l.run + "-data": "/data"},
	}
	id := l.play(s, "live")
	l.alive(id)
	out, err := l.exec(l.ctx, id, "/shop", "status")
	l.must(err)
	for _, want := range []string{"Uid:\t1234\t1234", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the kernel does not say %q of it:\n%s", want, out)
		}
	}
	if _, err := l.exec(l.ctx, id, "/shop", "write", "/file"); err == nil || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("writing to the image: %v", err)
	}
	if _, err := l.exec(l.ctx, id, "/shop", "write", "/scratch/file"); err != nil {
		t.Errorf("writing to a tmpfs: %v", err)
	}
	got, err := l.api.ContainerInspect(l.ctx, id, client.ContainerInspectOptions{})
	l.must(err)
	h, c := got.Container.HostConfig, got.Container.Config
	for what, good := range map[string]bool{
		"memory":  h.Memory == 64<<20 && h.MemorySwap == 64<<20,
		"cpus":    h.CPUPeriod == 100_000 && h.CPUQuota == 50_000,
		"pids":    h.PidsLimit != nil && *h.PidsLimit == pids,
		"restart": h.RestartPolicy.Name == "no",
		"init":    h.Init != nil && !*h.Init,
		"log":     h.LogConfig.Type == "json-file" && h.LogConfig.Config["max-size"] != "",
		"labels":  c.Labels[deploy.LabelRun] == l.run && c.Labels[deploy.LabelInstance] != "" && c.Labels["color"] == "red",
		"env":     strings.Contains(strings.Join(c.Env, " "), "GREETING=hello"),
	} {
		if !good {
			t.Errorf("%s is not as it should be: %+v", what, h)
		}
	}
}

func TestPublish(t *testing.T) {
	l := newLab(t)
	n, ip := l.net()
	id := l.play(spec{Network: n.ID, IP: ip, Publish: map[int]int{7000: 0}}, "live", ":7000")
	l.alive(id)
	got, err := l.api.ContainerInspect(l.ctx, id, client.ContainerInspectOptions{})
	l.must(err)
	published, _ := api.PortFrom(7000, api.TCP)
	bound := got.Container.NetworkSettings.Ports[published]
	if len(bound) != 1 || bound[0].HostIP != netip.MustParseAddr("127.0.0.1") {
		t.Fatalf("it is published at %v", bound)
	}
	port := bound[0].HostPort
	conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", port))
	l.must(err)
	defer conn.Close()
	conn.Write([]byte("hello"))
	b := make([]byte, 5)
	if _, err := conn.Read(b); err != nil || string(b) != "hello" {
		t.Errorf("through its published port it says %q, %v", b, err)
	}
	own, err := net.InterfaceAddrs()
	l.must(err)
	for _, a := range own {
		if a, ok := a.(*net.IPNet); ok && !a.IP.IsLoopback() && a.IP.To4() != nil {
			if c, err := net.DialTimeout("tcp", net.JoinHostPort(a.IP.String(), port), time.Second); err == nil {
				c.Close()
				t.Errorf("it is also published at %s", a.IP)
			}
		}
	}
	if _, err := l.create(l.ctx, spec{Run: l.run, Instance: "x", Image: l.image(), Publish: map[int]int{70000: 1}}); err == nil {
		t.Error("port 70000 was published")
	}
}

func TestFollow(t *testing.T) {
	l := newLab(t)
	id := l.play(spec{}, "say", "one")
	if got := l.said(id); !strings.Contains(got, "out: one\n") || !strings.Contains(got, "err: one\n") || strings.Count(got, "\n") != 2 {
		t.Errorf("it said %q", got)
	}
	// A second life, followed from before its start: the first one's words are
	// not told again.
	again := time.Now()
	l.must(l.start(l.ctx, id))
	var b bytes.Buffer
	l.must(l.follow(l.ctx, id, again, &b))
	if n := strings.Count(b.String(), "\n"); n != 2 {
		t.Errorf("of its second life is told %q", b.String())
	}
	if err := l.follow(l.ctx, "bedlam-"+l.run+"-nobody", time.Time{}, &b); !errors.Is(err, errUnknown) {
		t.Errorf("following nobody: %v", err)
	}
}

func TestExec(t *testing.T) {
	l := newLab(t)
	id := l.play(spec{}, "live")
	l.alive(id)
	out, err := l.exec(l.ctx, id, "/shop", "say", "hello")
	if err != nil || !strings.Contains(string(out), "out: hello") || !strings.Contains(string(out), "err: hello") {
		t.Errorf("it wrote %q, %v", out, err)
	}
	if _, err := l.exec(l.ctx, id, "/shop", "exit", "9"); err == nil || !strings.Contains(err.Error(), "code 9") {
		t.Errorf("a command that ends with code 9: %v", err)
	}
	if _, err := l.exec(l.ctx, id, "/no/such/thing"); err == nil {
		t.Error("what is not there was run")
	}
}

func TestCreateRefuses(t *testing.T) {
	l := newLab(t)
	taken := "bedlam-" + l.run + "-somebody"
	_, err := l.api.VolumeCreate(l.ctx, client.VolumeCreateOptions{Name: taken, Labels: map[string]string{deploy.LabelRun: l.run + "-other"}})
	l.must(err)
	defer l.api.VolumeRemove(l.ctx, taken, client.VolumeRemoveOptions{})
	for why, s := range map[string]spec{
		"no run":               {Instance: "x", Image: l.image()},
		"no instance":          {Run: l.run, Image: l.image()},
		"no such image":        {Run: l.run, Instance: "x", Image: "bedlam/shop:none"},
		"another run's volume": {Run: l.run, Instance: "x", Image: l.image(), Volume: map[string]string{taken: "/data"}},
	} {
		if _, err := l.create(l.ctx, s); err == nil {
			t.Errorf("%s: a container was made", why)
		}
	}
	if left, err := l.left(l.ctx, l.run); err != nil || len(left.containers) > 0 {
		t.Errorf("after refusals there are %v, %v", left, err)
	}
}
