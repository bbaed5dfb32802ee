package docker

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/client"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/lan"
)

func TestNetwork(t *testing.T) {
	l := newLab(t)
	n, ip := l.net()
	if n.Gateway == ip || !n.Subnet.Contains(ip) || !n.Subnet.Contains(n.Gateway) {
		t.Errorf("in %s the gateway is %s and a container %s", n.Subnet, n.Gateway, ip)
	}
	for _, i := range []int{-1, 0, 254} {
		if a, err := n.Address(i); err == nil {
			t.Errorf("address %d is %s", i, a)
		}
	}
	last, err := n.Address(253)
	l.must(err)
	if !n.Subnet.Contains(last) || n.Subnet.Contains(last.Next().Next()) {
		t.Errorf("the last address of %s is %s", n.Subnet, last)
	}
	got, err := l.api.NetworkInspect(l.ctx, n.ID, client.NetworkInspectOptions{})
	l.must(err)
	if got.Network.Labels[deploy.LabelRun] != l.run || got.Network.Internal || got.Network.EnableIPv6 || got.Network.Options["com.docker.network.bridge.enable_icc"] != "true" {
		t.Errorf("the daemon says %+v", got.Network)
	}

	// This machine reaches a container, and one container another.
	one := l.play(spec{Network: n.ID, IP: ip}, "live", ":7000")
	l.alive(one)
	if v := l.look(one); v.IP != ip {
		t.Errorf("it has address %s, want %s", v.IP, ip)
	}
	conn, err := net.Dial("tcp", ip.String()+":7000")
	l.must(err)
	conn.Close()
	two := l.play(spec{Network: n.ID, IP: last}, "call", ip.String()+":7000", "hello")
	if got := l.said(two); strings.TrimSpace(got) != "hello" {
		t.Errorf("one container says to the other %q", got)
	}
}

// A run draws the subnet that another one has, sees it and takes the next.
func TestNetworksDoNotMeet(t *testing.T) {
	l := newLab(t)
	other := l.run + "-other"
	t.Cleanup(func() {
		if err := l.sweep(context.Background(), other); err != nil {
			t.Error(err)
		}
	})
	free, err := l.taken(l.ctx)
	l.must(err)
	drawn, err := lan.Draw(drawer(other), free)
	l.must(err)
	_, err = l.tryNetwork(l.ctx, l.run, drawn)
	l.must(err)
	taken, err := l.taken(l.ctx)
	l.must(err)
	if !slices.Contains(taken, drawn) {
		t.Errorf("%s is not seen as taken: %v", drawn, taken)
	}
	// Who looked a moment too early is refused by the daemon, in words that
	// are understood as that.
	_, err = l.tryNetwork(l.ctx, other, drawn)
	if err == nil || !overlap(err) {
		t.Errorf("a subnet that is taken: %v", err)
	}
	n, err := l.makeNetwork(l.ctx, other)
	l.must(err)
	if n.Subnet.Overlaps(drawn) {
		t.Errorf("%s overlaps with %s", n.Subnet, drawn)
	}
	if _, err := l.makeNetwork(l.ctx, ""); !errors.Is(err, errNoRun) {
		t.Errorf("the network of no run: %v", err)
	}
}

func TestGatewayIsThisMachine(t *testing.T) {
	if err := local(netip.MustParseAddr("127.0.0.1")); err != nil {
		t.Error(err)
	}
	if err := local(netip.MustParseAddr("203.0.113.7")); err == nil || !strings.Contains(err.Error(), "no address of this machine") {
		t.Errorf("another machine's address: %v", err)
	}
}
