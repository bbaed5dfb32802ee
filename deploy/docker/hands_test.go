package docker

import (
	"encoding/json"
	"errors"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/supervise"
)

// A harmed lab has one instance that lives, and a machine over it.
type harmed struct {
	*lab
	machine *machine
	id      string
	victim  view
}

func newHarmed(t *testing.T) *harmed {
	l := newLab(t)
	n, a := l.net()
	desc := supervise.Description{Run: l.run, Layout: supervise.Layout{Own: map[string]string{"front-1": a.String() + ":80"}}}
	h := &harmed{lab: l, machine: newMachine(l.daemon, supervise.Files{Scratch: t.TempDir()}, desc)}
	t.Cleanup(h.machine.plane.Close)
	h.id = l.play(spec{Instance: "front-1", Network: n.ID, IP: a, User: account(nobody), ReadOnly: true, Memory: 64 << 20, Tmpfs: map[string]int64{tmp: 64 << 20}}, "live")
	l.alive(h.id)
	h.victim = l.look(h.id)
	return h
}

// impair does a harm to the instance.
func (h *harmed) impair(kind, args string) deploy.Impairment {
	h.t.Helper()
	i := deploy.Impairment{ID: "x/" + kind, Instances: []string{"front-1"}, Kind: kind, Args: json.RawMessage(args)}
	if err := h.machine.plane.CanImpair(h.ctx, i); err != nil {
		if errors.Is(err, errors.ErrUnsupported) {
			h.t.Skip(err)
		}
		h.t.Fatal(err)
	}
	h.must(h.machine.plane.Impair(h.ctx, i))
	return i
}

// shown are the kinds that the kernel shows.
func (h *harmed) shown() []string {
	h.t.Helper()
	all, err := h.machine.plane.Impairments(h.ctx, "")
	h.must(err)
	var kinds []string
	for _, i := range all {
		kinds = append(kinds, i.Kind)
	}
	return kinds
}

func (h *harmed) wantShown(when string, want ...string) {
	h.t.Helper()
	if got := h.shown(); !slices.Equal(got, want) {
		h.t.Errorf("%s, the kernel shows %q, want %q", when, got, want)
	}
}

// others are the run's containers beside the instance.
func (h *harmed) others() []view {
	h.t.Helper()
	left, err := h.left(h.ctx, h.run)
	h.must(err)
	var all []view
	for _, id := range left.containers {
		if id != h.id {
			all = append(all, h.look(id))
		}
	}
	return all
}

// Who harms packets may change one network and nothing else, is found by the
// run's label, and lifts what it did when it is left alone; if it is killed, the
// next one finds what it did.
func TestBeside(t *testing.T) {
	h := newHarmed(t)
	i := h.impair("packet_partition", `{}`)
	all := h.others()
	if len(all) != 1 {
		t.Fatalf("beside the instance there are %+v", all)
	}
	doer := all[0]
	got, err := h.api.ContainerInspect(h.ctx, doer.ID, client.ContainerInspectOptions{})
	h.must(err)
	c := got.Container.HostConfig
	if !strings.HasSuffix(strings.Join(c.CapAdd, " "), "NET_ADMIN") || len(c.CapAdd) != 1 || !slices.Equal(c.CapDrop, []string{"ALL"}) || c.Privileged ||
		c.PidMode != "" || !c.ReadonlyRootfs || len(c.Binds)+len(c.Mounts)+len(c.Devices) > 0 {
		t.Errorf("it has more rights than it needs: %+v", c)
	}
	if string(c.NetworkMode) != "container:"+h.id || doer.Image != h.victim.Image || doer.Labels[deploy.LabelRun] != h.run {
		t.Errorf("it is in network %s, of image %s, with the labels %v", c.NetworkMode, doer.Image, doer.Labels)
	}
	h.wantShown("injected", i.Kind)

	h.machine.plane.Close() // as the daemon sees the end of this process
	h.until("it has ended by itself", func() bool { return !h.look(doer.ID).Running })
	h.wantShown("left alone")
	h.must(h.machine.plane.Repair(h.ctx, i.ID))
	if all := h.others(); len(all) > 0 {
		t.Errorf("after the lift there are %+v", all)
	}

	h.must(h.machine.plane.Impair(h.ctx, i))
	h.must(h.kill(h.ctx, containerName(h.run, "impair-packet_partition-front-1"), syscall.SIGKILL))
	h.wantShown("with its doer killed", i.Kind) // a rule of the kernel's stays
	h.must(h.machine.plane.Repair(h.ctx, i.ID))
	h.wantShown("lifted")
	if all := h.others(); len(all) > 0 {
		t.Errorf("after the lift there are %+v", all)
	}
}

// The kernel knows connections in a container's network. Packets that begin one,
// and are late together, all arrive.
func TestPacketsWaitTogether(t *testing.T) {
	conn, err := icmp.ListenPacket("ip4:icmp", "0.0.0.0")
	if err != nil {
		t.Skip("this test sends echo requests, which needs root: ", err)
	}
	defer conn.Close()
	h := newHarmed(t)
	h.impair("packet_delay", `{"latency":"50ms"}`)
	to, number := &net.IPAddr{IP: h.victim.IP.AsSlice()}, 0
	h.until("as many come back as were sent", func() bool {
		number++
		const together = 5
		for seq := range together {
			b, err := (&icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: os.Getpid()&0xff00 | number&0xff, Seq: seq}}).Marshal(nil)
			h.must(err)
			_, err = conn.WriteTo(b, to)
			h.must(err)
		}
		h.must(conn.SetReadDeadline(time.Now().Add(time.Second)))
		seen := map[int]bool{}
		for b := make([]byte, 1500); len(seen) < together; {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				h.t.Logf("of %d packets %d come back", together, len(seen)) // a busy machine loses some by itself
				return false
			}
			m, err := icmp.ParseMessage(1, b[:n]) // 1 is ICMP's number
			if err != nil || m.Type != ipv4.ICMPTypeEchoReply || from.String() != to.String() {
				continue
			}
			if echo, ok := m.Body.(*icmp.Echo); ok && echo.ID&0xff == number&0xff {
				seen[echo.Seq] = true
			}
		}
		return true
	})
}

// What the daemon keeps for a container is put back as it was, also of one that
// is down; and one that is down is harmed by nothing else.
func TestQuota(t *testing.T) {
	h := newHarmed(t)
	i := h.impair("cpu_quota", `{"cpus":0.2}`)
	h.wantShown("injected", i.Kind)
	if s := h.look(h.id).Share; s != (share{20_000, period}) {
		t.Errorf("the daemon keeps %+v", s)
	}
	tighter := i
	tighter.ID, tighter.Args = "x/again", json.RawMessage(`{"cpus":0.5}`)
	if err := h.machine.plane.Impair(h.ctx, tighter); err == nil || !strings.Contains(err.Error(), "one of this kind already") {
		t.Errorf("a second one: %v", err)
	}
	h.must(h.kill(h.ctx, h.id, syscall.SIGKILL))
	h.until("it is down", func() bool { return !h.look(h.id).Running })
	h.wantShown("down", i.Kind)
	h.must(h.machine.plane.Repair(h.ctx, i.ID))
	if s := h.look(h.id).Share; s.limited() {
		t.Errorf("after the lift, the daemon keeps %+v", s)
	}
	for kind, args := range map[string]string{"packet_partition": `{}`, "cpu_hog": `{"workers":1}`} {
		i := deploy.Impairment{ID: "x/" + kind, Instances: []string{"front-1"}, Kind: kind, Args: json.RawMessage(args)}
		if err := h.machine.plane.Impair(h.ctx, i); err == nil {
			t.Errorf("%s of one that is down is no error", kind)
		}
	}
	h.wantShown("at the end")
}
