package disk

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// A node is a file or folder of the disk: the library's, which passes everything
// on to what is really there, and before it what ails the disk.
type node struct {
	*fs.LoopbackNode
	health *health
}

var (
	_ fs.NodeWrapChilder    = (*node)(nil)
	_ fs.NodeCreater        = (*node)(nil)
	_ fs.NodeOpener         = (*node)(nil)
	_ fs.NodeMkdirer        = (*node)(nil)
	_ fs.NodeMknoder        = (*node)(nil)
	_ fs.NodeRmdirer        = (*node)(nil)
	_ fs.NodeUnlinker       = (*node)(nil)
	_ fs.NodeRenamer        = (*node)(nil)
	_ fs.NodeSymlinker      = (*node)(nil)
	_ fs.NodeLinker         = (*node)(nil)
	_ fs.NodeTmpfiler       = (*node)(nil)
	_ fs.NodeSetattrer      = (*node)(nil)
	_ fs.NodeStatfser       = (*node)(nil)
	_ fs.NodeCopyFileRanger = (*node)(nil)
	_ fs.NodeGetxattrer     = (*node)(nil)
	_ fs.NodeSetxattrer     = (*node)(nil)
	_ fs.NodeRemovexattrer  = (*node)(nil)
)

// newRoot returns the root of a disk with those files.
func newRoot(files string) (*node, error) {
	root, err := fs.NewLoopbackRoot(files)
	if err != nil {
		return nil, err
	}
	inner, ok := root.(*fs.LoopbackNode)
	if !ok {
		return nil, fmt.Errorf("the library's root is a %T", root)
	}
	return &node{inner, newHealth()}, nil
}

// WrapChild implements [fs.NodeWrapChilder].
func (n *node) WrapChild(_ context.Context, ops fs.InodeEmbedder) fs.InodeEmbedder {
	return &node{ops.(*fs.LoopbackNode), n.health} // the library's own makes no others
}

// there is where a node, or what has that name in it, really is.
func (n *node) there(name string) string {
	return filepath.Join(n.RootData.Path, n.Path(n.Root()), name)
}

// Create implements [fs.NodeCreater].
func (n *node) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	if errno := n.health.changes(); errno != 0 {
		return nil, nil, 0, errno
	}
	child, h, _, errno := n.LoopbackNode.Create(ctx, name, flags, mode, out)
	if errno != 0 {
		return nil, nil, 0, errno
	}
	f, errno := over(h, n.health)
	return child, f, fuse.FOPEN_KEEP_CACHE, errno
}

// Open implements [fs.NodeOpener].
func (n *node) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	if flags&(syscall.O_WRONLY|syscall.O_RDWR|syscall.O_TRUNC) != 0 {
		if errno := n.health.changes(); errno != 0 {
			return nil, 0, errno
		}
	}
	h, _, errno := n.LoopbackNode.Open(ctx, flags)
	if errno != 0 {
		return nil, 0, errno
	}
	f, errno := over(h, n.health)
	return f, fuse.FOPEN_KEEP_CACHE, errno
}

// Mkdir implements [fs.NodeMkdirer].
func (n *node) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if errno := n.health.changes(); errno != 0 {
		return nil, errno
	}
	return n.LoopbackNode.Mkdir(ctx, name, mode, out)
}

// Mknod implements [fs.NodeMknoder].
func (n *node) Mknod(ctx context.Context, name string, mode, dev uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if errno := n.health.changes(); errno != 0 {
		return nil, errno
	}
	return n.LoopbackNode.Mknod(ctx, name, mode, dev, out)
}

// Rmdir implements [fs.NodeRmdirer].
func (n *node) Rmdir(ctx context.Context, name string) syscall.Errno {
	if errno := n.health.changes(); errno != 0 {
		return errno
	}
	return n.LoopbackNode.Rmdir(ctx, name)
}

// Unlink implements [fs.NodeUnlinker].
func (n *node) Unlink(ctx context.Context, name string) syscall.Errno {
	if errno := n.health.changes(); errno != 0 {
		return errno
	}
	return n.removes(n.there(name), func() syscall.Errno { return n.LoopbackNode.Unlink(ctx, name) })
}

// Rename implements [fs.NodeRenamer].
func (n *node) Rename(ctx context.Context, name string, parent fs.InodeEmbedder, as string, flags uint32) syscall.Errno {
	if errno := n.health.changes(); errno != 0 {
		return errno
	}
	to, ok := parent.(*node)
	if !ok {
		return syscall.EXDEV
	}
	do := func() syscall.Errno { return n.LoopbackNode.Rename(ctx, name, to, as, flags) }
	if flags&unix.RENAME_EXCHANGE != 0 {
		return do()
	}
	return n.removes(to.there(as), do)
}

// removes does what takes a name away. The last name of a file makes room.
func (n *node) removes(path string, do func() syscall.Errno) syscall.Errno {
	return n.health.grow(func(int64) (int64, syscall.Errno) {
		var st unix.Stat_t
		last := unix.Lstat(path, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG && st.Nlink == 1
		errno := do()
		if errno != 0 || !last {
			return 0, errno
		}
		return -st.Size, 0
	})
}

// Symlink implements [fs.NodeSymlinker].
func (n *node) Symlink(ctx context.Context, target, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if errno := n.health.changes(); errno != 0 {
		return nil, errno
	}
	return n.LoopbackNode.Symlink(ctx, target, name, out)
}

// Link implements [fs.NodeLinker].
func (n *node) Link(ctx context.Context, target fs.InodeEmbedder, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if errno := n.health.changes(); errno != 0 {
		return nil, errno
	}
	return n.LoopbackNode.Link(ctx, target, name, out)
}

// Tmpfile implements [fs.NodeTmpfiler]: there are no files without a name, as on
// many a file system.
func (n *node) Tmpfile(context.Context, uint32, uint32, *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	return nil, nil, 0, syscall.EOPNOTSUPP
}

// Setattr implements [fs.NodeSetattrer].
func (n *node) Setattr(ctx context.Context, h fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if f, ok := h.(*file); ok {
		return f.Setattr(ctx, in, out)
	}
	size := func() (int64, syscall.Errno) {
		var st unix.Stat_t
		err := unix.Lstat(n.there(""), &st)
		return st.Size, fs.ToErrno(err)
	}
	return n.health.resize(in, size, func() syscall.Errno { return n.LoopbackNode.Setattr(ctx, nil, in, out) })
}

// Statfs implements [fs.NodeStatfser]: how much room there is.
func (n *node) Statfs(ctx context.Context, out *fuse.StatfsOut) syscall.Errno {
	errno := n.LoopbackNode.Statfs(ctx, out)
	if free, full := n.health.left(); errno == 0 && full && out.Bsize > 0 {
		out.Bfree = min(out.Bfree, uint64(free)/uint64(out.Bsize))
		out.Bavail = min(out.Bavail, out.Bfree)
	}
	return errno
}

// CopyFileRange implements [fs.NodeCopyFileRanger]: the kernel reads and writes
// instead, which goes through our hands.
func (n *node) CopyFileRange(context.Context, fs.FileHandle, uint64, *fs.Inode, fs.FileHandle, uint64, uint64, uint64) (uint32, syscall.Errno) {
	return 0, syscall.ENOSYS
}

// ailment returns the name of the ailment that an attribute of the root stands for.
func (n *node) ailment(attribute string) (string, bool) {
	name, ok := strings.CutPrefix(attribute, prefix)
	return name, ok && n.IsRoot()
}

// Getxattr implements [fs.NodeGetxattrer].
func (n *node) Getxattr(ctx context.Context, attribute string, to []byte) (uint32, syscall.Errno) {
	name, ok := n.ailment(attribute)
	if !ok {
		return n.LoopbackNode.Getxattr(ctx, attribute, to)
	}
	told, ok := n.health.tells(name)
	switch {
	case !ok:
		return 0, syscall.ENODATA
	case len(to) == 0: // how long is it?
	case len(to) < len(told):
		return uint32(len(told)), syscall.ERANGE
	default:
		copy(to, told)
	}
	return uint32(len(told)), 0
}

// Setxattr implements [fs.NodeSetxattrer].
func (n *node) Setxattr(ctx context.Context, attribute string, told []byte, flags uint32) syscall.Errno {
	name, ok := n.ailment(attribute)
	if !ok {
		if errno := n.health.changes(); errno != 0 {
			return errno
		}
		return n.LoopbackNode.Setxattr(ctx, attribute, told, flags)
	}
	a, err := read(name, told)
	if err != nil {
		return syscall.EINVAL
	}
	n.health.ail(name, append([]byte(nil), told...), a)
	return 0
}

// Removexattr implements [fs.NodeRemovexattrer].
func (n *node) Removexattr(ctx context.Context, attribute string) syscall.Errno {
	name, ok := n.ailment(attribute)
	if !ok {
		if errno := n.health.changes(); errno != 0 {
			return errno
		}
		return n.LoopbackNode.Removexattr(ctx, attribute)
	}
	if !n.health.ail(name, nil, nil) {
		return syscall.ENODATA
	}
	return 0
}
