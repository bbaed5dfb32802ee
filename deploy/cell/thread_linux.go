package cell

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// apart calls do on a thread that nothing else runs on, before or after, so
// that do may move the thread. The process's first thread is not taken: it
// cannot end, and would stay wherever it was moved to.
func apart(do func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == os.Getpid() {
			defer runtime.UnlockOSThread()
			done <- apart(do)
			return
		}
		done <- do() // and the thread ends with this goroutine, which never lets go of it
	}()
	return <-done
}

// Enter calls do on a thread in the network namespace at that path. What do
// starts on other threads is not there.
func Enter(path string, do func() error) error {
	return apart(func() error {
		if err := enter(path); err != nil {
			return err
		}
		return do()
	})
}

// Trial calls do with the path of a network namespace that is made for it and
// goes with it. Its loopback is down, and it has no other link. Other processes
// find it there as well, while do has not returned.
func Trial(do func(path string) error) error {
	return apart(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("making a network namespace: %w", err)
		}
		return do(fmt.Sprintf("/proc/%d/task/%d/ns/net", os.Getpid(), unix.Gettid()))
	})
}

// enter moves the thread. Where it is already, it may go without any right.
func enter(path string) error {
	if there, err := within(path); there || err != nil {
		return err
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening the network namespace %s: %w", path, err)
	}
	defer unix.Close(fd)
	if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("entering the network namespace %s: %w", path, err)
	}
	return nil
}

// within reports whether the thread is in the network namespace at path.
func within(path string) (bool, error) {
	var it, own unix.Stat_t
	if err := unix.Stat(path, &it); err != nil {
		return false, fmt.Errorf("opening the network namespace %s: %w", path, err)
	}
	if err := unix.Stat(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()), &own); err != nil {
		return false, fmt.Errorf("looking for this thread's network namespace: %w", err)
	}
	return it.Dev == own.Dev && it.Ino == own.Ino, nil
}
