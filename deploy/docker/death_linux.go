package docker

import (
	"os"

	"golang.org/x/sys/unix"
)

// death returns a channel that is closed when the process of this machine has
// died; nil if there is none, or the kernel does not tell (pidfd_open(2)).
func death(pid int) <-chan struct{} {
	if pid <= 0 {
		return nil
	}
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return nil
	}
	f := os.NewFile(uintptr(fd), "pidfd")
	conn, err := f.SyscallConn()
	if err != nil {
		f.Close()
		return nil
	}
	died := make(chan struct{})
	go func() {
		defer f.Close()
		err := conn.Read(func(fd uintptr) bool {
			n, _ := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
			return n > 0
		})
		if err == nil {
			close(died)
		}
	}()
	return died
}
