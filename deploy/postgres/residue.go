package postgres

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// A Segment is a System V shared memory segment. A server holds one of a few
// bytes, as a lock; SIGKILL leaves it behind, and nothing but a restart in the
// same data folder, [Clean] or a reboot removes it.
type Segment struct {
	Key int
	ID  int
}

// lockFile is what postmaster.pid says, line by line: process id, data folder,
// start, port, socket folder, address, and "key id" of the segment. A server
// that is just starting has not written all of it.
type lockFile struct {
	pid     int
	segment *Segment
}

func readLockFile(dir string) (lockFile, error) {
	b, err := os.ReadFile(filepath.Join(Data(dir), "postmaster.pid"))
	if errors.Is(err, fs.ErrNotExist) {
		return lockFile{}, nil
	}
	if err != nil {
		return lockFile{}, fmt.Errorf("postgres: %w", err)
	}
	return parseLockFile(string(b)), nil
}

func parseLockFile(text string) lockFile {
	var l lockFile
	lines := strings.Split(text, "\n")
	if pid, err := strconv.Atoi(strings.TrimSpace(lines[0])); err == nil && pid > 0 {
		l.pid = pid
	}
	if len(lines) < 7 {
		return l
	}
	f := strings.Fields(lines[6])
	if len(f) != 2 {
		return l
	}
	// Both are C ints, written as unsigned longs: a negative one looks huge.
	key, err1 := strconv.ParseUint(f[0], 10, 64)
	id, err2 := strconv.ParseUint(f[1], 10, 64)
	if err1 == nil && err2 == nil {
		l.segment = &Segment{Key: int(int32(key)), ID: int(int32(id))}
	}
	return l
}

// Residue returns the shared memory segment that the server in dir holds or
// has left behind; nil if there is none in the kernel any more.
func Residue(dir string) (*Segment, error) {
	l, err := readLockFile(dir)
	if err != nil {
		return nil, err
	}
	if l.segment != nil {
		if _, ok := l.segment.stat(); ok {
			return l.segment, nil
		}
	}
	return unwritten(dir), nil
}

// unwritten finds the segment of a server that was killed at its start, after
// it had made the segment and before it wrote that down: the first key that a
// server tries is its data folder's inode. Only one that nobody is attached to
// and that belongs to the folder's owner is taken for it; such a one is of no
// use to anybody.
func unwritten(dir string) *Segment {
	info, err := os.Stat(Data(dir))
	if err != nil {
		return nil
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	s := Segment{Key: int(int32(st.Ino))}
	if s.ID, err = unix.SysvShmGet(s.Key, 0, 0); err != nil {
		return nil
	}
	var d unix.SysvShmDesc
	if _, err := unix.SysvShmCtl(s.ID, unix.IPC_STAT, &d); err != nil || d.Nattch > 0 || d.Perm.Uid != st.Uid {
		return nil
	}
	return &s
}

// stat returns how many processes are attached, and whether the segment is
// still the one that the lock file named: an id is used again after a reboot.
func (s Segment) stat() (attached int, ok bool) {
	if id, err := unix.SysvShmGet(s.Key, 0, 0); err != nil || id != s.ID {
		return 0, false
	}
	var d unix.SysvShmDesc
	if _, err := unix.SysvShmCtl(s.ID, unix.IPC_STAT, &d); err != nil {
		return 0, false
	}
	return int(d.Nattch), true
}

// Clean removes what a killed server left: its lock file and its shared memory
// segment. It is idempotent, and refuses while a process of the server lives.
func Clean(dir string) error {
	pids, err := Processes(dir)
	if err != nil {
		return err
	}
	if len(pids) > 0 {
		return fmt.Errorf("postgres: %s is in use by processes %v", dir, pids)
	}
	s, err := Residue(dir)
	if err != nil {
		return err
	}
	if s != nil {
		if n, _ := s.stat(); n > 0 {
			return fmt.Errorf("postgres: shared memory segment %d of %s is in use by %d processes", s.ID, dir, n)
		}
		if _, err := unix.SysvShmCtl(s.ID, unix.IPC_RMID, nil); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EIDRM) {
			return fmt.Errorf("postgres: removing shared memory segment %d: %w", s.ID, err)
		}
	}
	if err := os.Remove(filepath.Join(Data(dir), "postmaster.pid")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("postgres: %w", err)
	}
	return nil
}
