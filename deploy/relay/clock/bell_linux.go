package clock

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A bell is one timer of the kernel. Go's poller waits for it as for a socket.
type bell struct {
	file *os.File
	raw  syscall.RawConn
}

func newBell() (*bell, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	file := os.NewFile(uintptr(fd), "timerfd")
	raw, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return nil, err
	}
	return &bell{file, raw}, nil
}

// set makes the bell ring once after a time above zero, and not at the one that
// was set before. A bell that is closed is not set.
func (b *bell) set(after time.Duration) {
	once := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(after))}
	b.raw.Control(func(fd uintptr) { unix.TimerfdSettime(int(fd), 0, &once, nil) })
}

// wait waits for the bell and reports false when it is closed.
func (b *bell) wait() bool {
	var rung [8]byte // how often: once
	_, err := b.file.Read(rung[:])
	return err == nil
}

func (b *bell) close() { b.file.Close() }
