package cell_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/bedlamlab/bedlam/deploy/cell"
)

// Who is started in a cell finds its own resolver's file, and so do its
// children; nobody else does, and no mount of it stays.
func TestResolver(t *testing.T) {
	if err := cell.CanResolve(); err != nil {
		t.Skip(err)
	}
	before, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		t.Fatal(err)
	}
	_, _, all := cells(t)
	own := filepath.Join(t.TempDir(), "resolv.conf")
	const config = "nameserver 127.0.0.9\n"
	if err := os.WriteFile(own, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	c := all[0]
	c.Resolver = own
	if got := within(t, c, "cat", "/etc/resolv.conf"); got != config {
		t.Errorf("in the cell it is %q", got)
	}
	if got := within(t, c, "sh", "-c", "cd / && cat /etc/resolv.conf"); got != config {
		t.Errorf("for a child it is %q", got)
	}
	// A sweep finds processes by the folder in which they stand, whatever they
	// have mounted: it must be told as from here.
	cmd := exec.Command("cat")
	cmd.Dir = t.TempDir()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(cmd); err != nil {
		t.Fatal(err)
	}
	if at, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", cmd.Process.Pid)); err != nil || at != cmd.Dir {
		t.Errorf("seen from here it stands in %q, not in %q (%v)", at, cmd.Dir, err)
	}
	if err := errors.Join(stdin.Close(), cmd.Wait()); err != nil {
		t.Error(err)
	}
	if got := within(t, all[1], "cat", "/etc/resolv.conf"); got != string(before) {
		t.Errorf("in another cell it is %q", got)
	}
	if now, err := os.ReadFile("/etc/resolv.conf"); err != nil || string(now) != string(before) {
		t.Errorf("here it is %q, %v", now, err)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || strings.Contains(string(mounts), own) {
		t.Errorf("it is mounted here as well (%v)", err)
	}
	c.Resolver = own + ".gone"
	if got := c.Start(exec.Command("true")); got == nil {
		t.Error("without the file it is started all the same")
	}
}

// A name server has no room beside one that listens on all addresses.
func TestRoom(t *testing.T) {
	if err := cell.Check(); err != nil {
		t.Skip(err)
	}
	err := cell.Trial(func(string) error { // where nobody else listens
		lo, err := netlink.LinkByName("lo")
		if err == nil {
			err = netlink.LinkSetUp(lo)
		}
		if err != nil {
			return err
		}
		if err := cell.Room(); err != nil {
			t.Errorf("where nobody listens: %v", err)
		}
		for _, listen := range []func() (io.Closer, error){
			func() (io.Closer, error) { return net.ListenPacket("udp4", ":53") },
			func() (io.Closer, error) { return net.Listen("tcp4", ":53") },
		} {
			l, err := listen()
			if err != nil {
				return err
			}
			if err := cell.Room(); !errors.Is(err, syscall.EADDRINUSE) {
				t.Errorf("where somebody listens on all addresses: %v", err)
			}
			if err := l.Close(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
