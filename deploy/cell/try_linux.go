package cell

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/bedlamlab/bedlam/deploy/lan"
)

// Try reports why cells would be of no use here: as [Check] does, and besides
// by trying. A namespace is made, which goes with this call however it ends,
// and it and this machine call each other: a firewall may be in the way. It is
// tried once in the life of a process.
func Try() error { return tried() }

var tried = sync.OnceValue(func() error {
	if err := Check(); err != nil {
		return err
	}
	taken, err := lan.Taken()
	if err != nil {
		return err
	}
	subnet, err := lan.Draw(rand.New(rand.NewPCG(rand.Uint64(), 0)), taken)
	if err != nil {
		return err
	}
	if err := Trial(func(ns string) error { return call(ns, lan.In(subnet)) }); err != nil {
		return fmt.Errorf("isolated instances would not be reached: %w (is there a firewall that drops what comes in by new links? Theirs are called bdl…): %w", err, errors.ErrUnsupported)
	}
	return nil
})

// callTime is how long a connection may take that takes microseconds, on a
// machine that is very busy; only a firewall makes anybody wait for it.
const callTime = 5 * time.Second

// call joins the namespace that the caller's thread is in to this machine by a
// link, which goes with it, and connects both ways.
func call(ns string, n lan.Net) error {
	file, err := os.Open(ns)
	if err != nil {
		return err
	}
	defer file.Close()
	there, err := n.Address(1)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("bdlt%d", unix.Gettid())
	var here net.Listener
	err = apart(func() (err error) { // on a thread of this machine's own namespace
		attrs := netlink.NewLinkAttrs()
		attrs.Name = name
		if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: Device, PeerNamespace: netlink.NsFd(int(file.Fd()))}); err != nil {
			return err
		}
		if err := raise(name, n.Gateway, n.Subnet.Bits()); err != nil {
			return err
		}
		here, err = net.Listen("tcp", netip.AddrPortFrom(n.Gateway, 0).String())
		return err
	})
	if err != nil {
		return err
	}
	defer here.Close()
	if err := raise(Device, there, n.Subnet.Bits()); err != nil {
		return err
	}
	inside, err := net.Listen("tcp", netip.AddrPortFrom(there, 0).String())
	if err != nil {
		return err
	}
	defer inside.Close()
	return errors.Join(reach(inside.Addr(), apart), reach(here.Addr(), func(do func() error) error { return do() }))
}

// reach connects to an address, from where that is.
func reach(to net.Addr, from func(func() error) error) error {
	return from(func() error {
		conn, err := net.DialTimeout("tcp", to.String(), callTime)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

// raise gives a link of this thread's namespace an address and sets it up.
func raise(name string, at netip.Addr, bits int) error {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	if err := netlink.AddrAdd(l, address(at, bits)); err != nil {
		return err
	}
	return netlink.LinkSetUp(l)
}
