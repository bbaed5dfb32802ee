package supervise

import (
	"errors"
	"os"
	"syscall"
)

// own takes the lock that says that a run has keepers; the kernel takes it
// back however their process ends.
func (f Files) own() (release func(), err error) {
	lock, err := os.OpenFile(f.owner(), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return nil, err
	}
	return func() { lock.Close() }, nil
}

// owned reports whether the keepers live, in this process or in another.
func (f Files) owned() bool {
	lock, err := os.Open(f.owner())
	if err != nil {
		return false
	}
	defer lock.Close() // and with it what it may have got
	return errors.Is(syscall.Flock(int(lock.Fd()), syscall.LOCK_SH|syscall.LOCK_NB), syscall.EWOULDBLOCK)
}
