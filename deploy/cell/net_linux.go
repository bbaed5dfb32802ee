package cell

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/bedlamlab/bedlam/deploy/lan"
)

// alias is what a person who looks at this machine's links reads at ours.
func alias(run string) string { return "bedlam run " + run }

// makeBridge makes the run's bridge, with the gateway's address, and returns
// its index. A bridge without a living port is down, and takes a second to come
// up again with the next one: so it has an anchor of its own from the first.
func makeBridge(run string, n lan.Net) (int, error) {
	name := bridgeName(run)
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	bridge := &netlink.Bridge{LinkAttrs: attrs}
	if err := netlink.LinkAdd(bridge); err != nil {
		return 0, fmt.Errorf("making bridge %s: %w", name, err)
	}
	made, err := netlink.LinkByName(name)
	if err != nil {
		return 0, err
	}
	index := made.Attrs().Index
	if err := netlink.LinkSetAlias(made, alias(run)); err != nil {
		return 0, err
	}
	if err := netlink.AddrAdd(made, address(n.Gateway, n.Subnet.Bits())); err != nil {
		return 0, err
	}
	anchor := netlink.NewLinkAttrs()
	anchor.Name, anchor.MasterIndex = name+".a", index
	if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: anchor, PeerName: name + ".b"}); err != nil {
		return 0, fmt.Errorf("making the anchor of bridge %s: %w", name, err)
	}
	for _, link := range []string{name + ".b", name + ".a", name} {
		l, err := netlink.LinkByName(link)
		if err == nil {
			err = netlink.LinkSetUp(l)
		}
		if err != nil {
			return 0, fmt.Errorf("setting %s up: %w", link, err)
		}
	}
	return index, nil
}

func address(a netip.Addr, bits int) *netlink.Addr {
	return &netlink.Addr{IPNet: &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(bits, a.BitLen())}}
}

// makeNet makes a namespace, pins it, and joins it to the bridge by a link with
// that name on this machine's side.
func (c Cell) makeNet(run, link string, bridge int, in Inmate, bits int) error {
	fail := func(err error) error { return fmt.Errorf("making the network namespace of %s: %w", in.Name, err) }
	if err := os.MkdirAll(filepath.Dir(c.Net), 0o755); err != nil {
		return fail(err)
	}
	if err := os.WriteFile(c.Net, nil, 0o444); err != nil {
		return fail(err)
	}
	var ns int
	err := apart(func() (err error) {
		if err = unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		own := fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid())
		if err = unix.Mount(own, c.Net, "", unix.MS_BIND, ""); err != nil {
			return err
		}
		ns, err = unix.Open(own, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return fail(err)
	}
	defer unix.Close(ns)
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MasterIndex = link, bridge
	if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: Device, PeerNamespace: netlink.NsFd(ns)}); err != nil {
		return fail(err)
	}
	here, err := netlink.LinkByName(link)
	if err != nil {
		return fail(err)
	}
	if err := errors.Join(netlink.LinkSetAlias(here, alias(run)+", "+in.Name), netlink.LinkSetUp(here)); err != nil {
		return fail(err)
	}
	// Sockets of the namespace, made by a thread in it.
	err = Enter(c.Net, func() error {
		return errors.Join(Loopback(), raise(Device, in.Address, bits))
	})
	if err != nil {
		return fail(err)
	}
	return nil
}

// Loopback sets the loopback of the network namespace up that the caller's
// thread is in, see [Enter] and [Trial].
func Loopback() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(lo)
}

// sweepNet removes the namespaces and links of a run.
func sweepNet(run string) error {
	pins, err := filepath.Glob(filepath.Join(netFolder, pinName(escaped(run), "*")))
	if err != nil {
		return err
	}
	for _, pin := range pins {
		if err := unix.Unmount(pin, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) { // not mounted
			return fmt.Errorf("unpinning %s: %w", pin, err)
		}
		if err := os.Remove(pin); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	links, err := ownLinks(run)
	if err != nil {
		return err
	}
	for _, l := range links {
		var gone netlink.LinkNotFoundError
		if err := netlink.LinkDel(l); err != nil && !errors.Is(err, unix.ENODEV) && !errors.As(err, &gone) {
			return fmt.Errorf("removing link %s: %w", l.Attrs().Name, err)
		}
	}
	if links, err = ownLinks(run); err == nil && len(links) > 0 {
		err = fmt.Errorf("link %s is still there", links[0].Attrs().Name)
	}
	return err
}

// ownLinks returns this machine's ends of a run's links, and its bridge.
func ownLinks(run string) ([]netlink.Link, error) {
	all, err := netlink.LinkList()
	for errors.Is(err, netlink.ErrDumpInterrupted) { // somebody else's links came or went meanwhile
		all, err = netlink.LinkList()
	}
	if err != nil {
		return nil, fmt.Errorf("listing links: %w", err)
	}
	var own []netlink.Link
	for _, l := range all {
		if ours(l.Attrs().Name, run) {
			own = append(own, l)
		}
	}
	return own, nil
}
