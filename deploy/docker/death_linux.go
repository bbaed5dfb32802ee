package docker

import (
	"os"

	"golang.org/x/sys/unix"
)

// death returns a channel that is closed when the process of this machine has
// died; nil if there is none, or the kernel does not tell (pidfd_open(2)).
// Nobody waits for it any more once forget has been called.
func death(pid int) (died <-chan struct{}, forget func()) {
	if pid <= 0 {
		return nil, func() {}
	}
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return nil, func() {}
	}
	f := os.NewFile(uintptr(fd), "pidfd")
	conn, err := f.SyscallConn()
	if err != nil {
		f.Close()
		return nil, func() {}
	}
	seen := make(chan struct{})
	go func() {
		defer f.Close()
		err := conn.Read(func(fd uintptr) bool {
			n, _ := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
			return n > 0
		})
		if err == nil {
			close(seen)
		}
	}()
	return seen, func() { f.Close() }
}
