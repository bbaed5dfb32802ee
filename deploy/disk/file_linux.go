package disk

import (
	"context"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// A file is one that is open. It has no passthrough descriptor on purpose: with
// one, the kernel would read and write past us.
type file struct {
	inner  *fs.LoopbackFile
	fd     int // of inner, until it is released
	health *health
}

var (
	_ fs.FileReader    = (*file)(nil)
	_ fs.FileWriter    = (*file)(nil)
	_ fs.FileFsyncer   = (*file)(nil)
	_ fs.FileAllocater = (*file)(nil)
	_ fs.FileSetattrer = (*file)(nil)
	_ fs.FileGetattrer = (*file)(nil)
	_ fs.FileLseeker   = (*file)(nil)
	_ fs.FileReleaser  = (*file)(nil)
)

// over returns a file over one of the library's.
func over(h fs.FileHandle, health *health) (*file, syscall.Errno) {
	inner, ok := h.(*fs.LoopbackFile)
	if !ok {
		return nil, syscall.EIO
	}
	fd, ok := inner.PassthroughFd()
	if !ok {
		return nil, syscall.EBADF
	}
	return &file{inner, fd, health}, 0
}

// Read implements [fs.FileReader].
func (f *file) Read(_ context.Context, b []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	f.health.take(Read)
	return fuse.ReadResultFd(uintptr(f.fd), off, len(b)), 0
}

// Write implements [fs.FileWriter]. Of what does not fit, it writes what does.
func (f *file) Write(_ context.Context, b []byte, off int64) (written uint32, errno syscall.Errno) {
	if errno := f.health.changes(); errno != 0 {
		return 0, errno
	}
	f.health.take(Write)
	errno = f.health.grow(func(free int64) (int64, syscall.Errno) {
		size, errno := f.size()
		if errno != 0 {
			return 0, errno
		}
		if most := size + free - off; most < int64(len(b)) {
			b = b[:max(most, 0)]
			if len(b) == 0 {
				return 0, syscall.ENOSPC
			}
		}
		n, err := syscall.Pwrite(f.fd, b, off)
		if err != nil {
			return 0, fs.ToErrno(err)
		}
		written = uint32(n)
		return max(off+int64(n)-size, 0), 0
	})
	return written, errno
}

// Fsync implements [fs.FileFsyncer].
func (f *file) Fsync(_ context.Context, flags uint32) syscall.Errno {
	f.health.take(Fsync)
	if flags&dataOnly != 0 {
		return fs.ToErrno(syscall.Fdatasync(f.fd))
	}
	return fs.ToErrno(syscall.Fsync(f.fd))
}

// dataOnly is the kernel's flag for fdatasync(2), see linux/fuse.h.
const dataOnly = 1

// Allocate implements [fs.FileAllocater].
func (f *file) Allocate(ctx context.Context, off, size uint64, mode uint32) syscall.Errno {
	if errno := f.health.changes(); errno != 0 {
		return errno
	}
	return f.health.grow(func(free int64) (int64, syscall.Errno) {
		was, errno := f.size()
		if errno != 0 {
			return 0, errno
		}
		longer := int64(off) + int64(size) - was
		if mode != 0 { // it stays as long as it is
			longer = 0
		}
		if longer > free {
			return 0, syscall.ENOSPC
		}
		if errno := f.inner.Allocate(ctx, off, size, mode); errno != 0 {
			return 0, errno
		}
		return max(longer, 0), 0
	})
}

// Setattr implements [fs.FileSetattrer].
func (f *file) Setattr(ctx context.Context, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	return f.health.resize(in, f.size, func() syscall.Errno { return f.inner.Setattr(ctx, in, out) })
}

// resize does what changes a file's attributes, its length perhaps among them.
func (h *health) resize(in *fuse.SetAttrIn, size func() (int64, syscall.Errno), do func() syscall.Errno) syscall.Errno {
	if errno := h.changes(); errno != 0 {
		return errno
	}
	to, ok := in.GetSize()
	if !ok {
		return do()
	}
	return h.grow(func(free int64) (int64, syscall.Errno) {
		was, errno := size()
		if errno != 0 {
			return 0, errno
		}
		longer := int64(to) - was
		if longer > 0 && longer > free {
			return 0, syscall.ENOSPC
		}
		if errno := do(); errno != 0 {
			return 0, errno
		}
		return longer, 0
	})
}

// size is how long the file is.
func (f *file) size() (int64, syscall.Errno) {
	var st unix.Stat_t
	err := unix.Fstat(f.fd, &st)
	return st.Size, fs.ToErrno(err)
}

// Getattr implements [fs.FileGetattrer].
func (f *file) Getattr(ctx context.Context, out *fuse.AttrOut) syscall.Errno {
	return f.inner.Getattr(ctx, out)
}

// Lseek implements [fs.FileLseeker].
func (f *file) Lseek(ctx context.Context, off uint64, whence uint32) (uint64, syscall.Errno) {
	return f.inner.Lseek(ctx, off, whence)
}

// Release implements [fs.FileReleaser].
func (f *file) Release(ctx context.Context) syscall.Errno { return f.inner.Release(ctx) }
