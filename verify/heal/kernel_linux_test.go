package heal_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"

	"github.com/bedlamlab/bedlam/deploy/cell"
	"github.com/bedlamlab/bedlam/deploy/lan"
	"github.com/bedlamlab/bedlam/verify/heal"
)

// name is a run's that no other run has.
func name(stem string) string { return fmt.Sprintf("heal-%s-%x", stem, rand.Uint64()) }

// What the kernel has of a run's own namespaces, links and cgroups is seen as
// long as it is there, and is nobody else's; so is what is harmed in them.
func TestTheProofSeesCells(t *testing.T) {
	if err := cell.Try(); err != nil {
		t.Skip(err)
	}
	look := heal.Kernel()
	run, other := name("one"), name("another")
	taken, err := lan.Taken()
	if err != nil {
		t.Fatal(err)
	}
	subnet, err := lan.Draw(rand.New(rand.NewPCG(rand.Uint64(), 0)), taken)
	if err != nil {
		t.Fatal(err)
	}
	net := lan.In(subnet)
	address, err := net.Address(1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cell.Sweep(context.Background(), run); err != nil {
			t.Error(err)
		}
	})
	cells, err := cell.Build(t.Context(), run, net, []cell.Inmate{{Name: "back-1", Address: address}})
	if err != nil {
		t.Fatal(err)
	}
	left := look(run)
	for _, what := range []string{"network namespace ", "link bdl", "cgroup ", "mounted, for a run"} {
		if !slices.ContainsFunc(left, func(s string) bool { return strings.HasPrefix(s, what) }) {
			t.Errorf("it does not see any %q in:\n%s", what, strings.Join(left, "\n"))
		}
	}
	if left := heal.Kernel()(other); len(left) > 0 {
		t.Errorf("it takes for a run's what is another's:\n%s", strings.Join(left, "\n"))
	}

	calm := heal.Reading(run)
	if on := calm(); len(on) > 0 {
		t.Errorf("before there is a harm it sees %q", on)
	}
	err = cell.Enter(cells[0].Net, func() error {
		device, err := netlink.LinkByName(cell.Device)
		if err != nil {
			return err
		}
		queue := netlink.NewHtb(netlink.QdiscAttrs{LinkIndex: device.Attrs().Index, Handle: netlink.MakeHandle(0xbed, 0), Parent: netlink.HANDLE_ROOT})
		if err := netlink.QdiscAdd(queue); err != nil {
			return err
		}
		conn, err := nftables.New()
		if err != nil {
			return err
		}
		conn.AddTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: "bedlam-test"})
		return conn.Flush()
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{"bedlam-test", "queue htb"} {
		if on := calm(); !slices.ContainsFunc(on, func(s string) bool { return strings.Contains(s, what) }) {
			t.Errorf("it does not see the %s in %q", what, on)
		}
	}
	if err := cell.Sweep(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	if left := look(run); len(left) > 0 {
		t.Errorf("when all is gone it sees:\n%s", strings.Join(left, "\n"))
	}
	if on := calm(); len(on) > 0 {
		t.Errorf("when all is gone it sees the harm %q", on)
	}
}

// A proof that is cut short itself leaves nothing of the run, of what the kernel
// has neither.
func TestACutShortProofLeavesNothing(t *testing.T) {
	if err := cell.Try(); err != nil {
		t.Skip(err)
	}
	before, after, err := ground(t, "").CutShort(t.Context(), heal.Moment{Phase: "injected", Fault: "cpu_quota", Monkey: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{"network namespace ", "cgroup "} {
		if !slices.ContainsFunc(before, func(s string) bool { return strings.HasPrefix(s, what) }) {
			t.Errorf("there is no %q in %q", what, before)
		}
	}
	if len(after) > 0 {
		t.Errorf("left: %q", after)
	}
}
