package disk

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Page is a file of one page in some folder, by which the time of a disk's
// operations is taken: reads go past what the kernel has in memory.
type Page struct {
	file   *os.File
	direct *os.File
	bytes  []byte
}

// pageSize is PostgreSQL's own, in bytes.
const pageSize = 8 << 10

// NewPage makes the file.
func NewPage(folder string) (*Page, error) {
	f, err := os.CreateTemp(folder, ".bedlam-probe-*")
	if err != nil {
		return nil, err
	}
	p := &Page{file: f}
	// It begins where a page of memory does, as a read past the kernel's asks for.
	if p.bytes, err = unix.Mmap(-1, 0, pageSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON); err == nil {
		if _, err = f.WriteAt(p.bytes, 0); err == nil {
			p.direct, err = os.OpenFile(f.Name(), os.O_RDONLY|syscall.O_DIRECT, 0)
		}
	}
	if err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// Close removes the file.
func (p *Page) Close() {
	p.file.Close()
	if p.direct != nil {
		p.direct.Close()
	}
	if p.bytes != nil {
		unix.Munmap(p.bytes)
	}
	os.Remove(p.file.Name())
}

// Do does an operation and returns how long it took. What there is to sync is
// written first.
func (p *Page) Do(o Operation) (time.Duration, error) {
	if o == Fsync {
		if _, err := p.file.WriteAt(p.bytes, 0); err != nil {
			return 0, err
		}
	}
	var err error
	began := time.Now()
	switch o {
	case Read:
		_, err = p.direct.ReadAt(p.bytes, 0)
	case Write:
		_, err = p.file.WriteAt(p.bytes, 0)
	case Fsync:
		err = p.file.Sync()
	}
	return time.Since(began), err
}
