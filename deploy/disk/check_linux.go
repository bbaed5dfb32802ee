package disk

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Check reports why this machine has no such disks, without touching anything:
// the error wraps [errors.ErrUnsupported] and says what would give them.
func Check() error {
	lack := func(missing, remedy string) error {
		return fmt.Errorf("%s (%s): %w", missing, remedy, errors.ErrUnsupported)
	}
	if os.Geteuid() != 0 {
		return lack("a disk of one's own cannot be mounted without root", "run it as root, with CAP_SYS_ADMIN")
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var have [2]unix.CapUserData // two words of them, with that version
	if err := unix.Capget(&header, &have[0]); err != nil {
		return err
	}
	if have[0].Effective&(1<<unix.CAP_SYS_ADMIN) == 0 {
		return lack("a disk of one's own cannot be mounted without CAP_SYS_ADMIN", "if this is a container, run it with --privileged")
	}
	f, err := os.OpenFile(device, os.O_RDWR, 0)
	if err != nil {
		return lack("a disk of one's own cannot be served: "+err.Error(), "a kernel with FUSE; if this is a container, --privileged gives it the device")
	}
	return f.Close()
}

// device is the kernel's end of a file system that a process serves.
const device = "/dev/fuse"
