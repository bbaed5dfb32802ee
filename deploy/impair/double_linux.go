package impair

import (
	"errors"
	"fmt"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/bedlamlab/bedlam/deploy/cell"
)

// doubleDevice is by which copies of packets arrive: what is written to it comes
// in by it. It goes with whoever has it open.
const doubleDevice = "bedlam-again"

// openDouble makes the device in the network namespace at net.
func openDouble(net string) (*os.File, error) {
	var f *os.File
	err := cell.Enter(net, func() error {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if err != nil {
			return Lacks("copies of packets have no way in: "+err.Error(), "a kernel with tun, and /dev/net/tun")
		}
		request, err := unix.NewIfreq(doubleDevice)
		if err == nil {
			request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
			err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
		}
		var link netlink.Link
		if err == nil {
			link, err = netlink.LinkByName(doubleDevice)
		}
		if err == nil {
			err = netlink.LinkSetUp(link)
		}
		if err != nil {
			return errors.Join(fmt.Errorf("making %s: %w", doubleDevice, err), unix.Close(fd))
		}
		f = os.NewFile(uintptr(fd), doubleDevice)
		return nil
	})
	return f, err
}
