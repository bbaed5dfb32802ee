package process

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// Ports come in blocks between 20000 and 32000: above the well-known ones and
// below 32768, where Linux starts to hand out ephemeral ports, one of which
// could otherwise sit on an instance's port while it is being restarted.
// 256 a block holds the whole shop (some 90 ports) twice over.
const (
	firstPort = 20000
	lastPort  = 31999
	blockSize = 256
)

// A block is a row of ports that belongs to this run alone. The lock is the
// kernel's (flock): it is free again however this process ends.
type block struct {
	locks []*os.File
	ports []int
}

// takeBlock locks the first row of blocks of which n ports are free: nobody
// else of this user has locked them, and nobody at all listens on them.
func takeBlock(state string, n int) (*block, error) {
	dir := filepath.Join(state, "ports")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("taking a block of ports: %w", err)
	}
	size := (n + blockSize - 1) / blockSize * blockSize
	for base := firstPort; base+size-1 <= lastPort; base += blockSize {
		b, err := tryBlock(dir, base, size, n)
		if err != nil {
			return nil, fmt.Errorf("taking a block of ports: %w", err)
		}
		if b != nil {
			return b, nil
		}
	}
	return nil, fmt.Errorf("taking a block of ports: no %d free ones in a row between %d and %d", n, firstPort, lastPort)
}

func tryBlock(dir string, base, size, n int) (*block, error) {
	b := &block{}
	for at := base; at < base+size; at += blockSize {
		f, err := os.OpenFile(filepath.Join(dir, strconv.Itoa(at)+".lock"), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			b.release()
			return nil, err
		}
		b.locks = append(b.locks, f)
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if errors.Is(err, syscall.EWOULDBLOCK) {
			b.release()
			return nil, nil
		}
		if err != nil {
			b.release()
			return nil, err
		}
	}
	for port := base; port < base+n; port++ {
		l, err := net.Listen("tcp", loopback(port))
		if err != nil {
			b.release()
			return nil, nil
		}
		l.Close()
		b.ports = append(b.ports, port)
	}
	return b, nil
}

// release gives the block back. The lock files stay: removing one would let
// two runs lock two files of the same name.
func (b *block) release() {
	for _, f := range b.locks {
		f.Close()
	}
	b.locks = nil
}

func loopback(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }
