package postgres

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
)

// debian matches the bin folder of a tree laid out as Debian does, where the
// shared files do not stand beside the programs.
var debian = regexp.MustCompile(`^(.*)/lib/postgresql/([0-9]+)/bin$`)

// copied copies binaries that the server's account may not read into the
// cache, where it may: those that somebody unpacked below root's home. why is
// the error that they gave; it is given back if the copy would not help.
func (f *finder) copied(ctx context.Context, bin string, why error) (*Install, error) {
	if !errors.Is(why, fs.ErrPermission) {
		return nil, why
	}
	root, parts := filepath.Dir(bin), []string{"bin", "lib", "share"}
	if m := debian.FindStringSubmatch(bin); m != nil {
		root, parts = m[1], []string{"lib/postgresql/" + m[2], "share/postgresql/" + m[2]}
	}
	rel, err := filepath.Rel(root, bin)
	if err != nil {
		return nil, err
	}
	// The name follows the program: another version there gives another copy.
	info, err := os.Stat(filepath.Join(bin, "postgres"))
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %d", bin, info.Size(), info.ModTime().UnixNano()))
	parent := filepath.Join(f.cache, "copied")
	dir := filepath.Join(parent, fmt.Sprintf("%x", sum[:8]))
	release, err := lock(ctx, parent, "copied", nil)
	if err != nil {
		return nil, err
	}
	defer release()
	err = build(dir, func(temp string) error {
		f.progress("copying " + root + " to where the account " + f.account.Name + " can read it")
		for _, part := range parts {
			from := filepath.Join(root, part)
			if !exists(from) {
				continue
			}
			to := filepath.Join(temp, part)
			if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
				return err
			}
			if err := (Account{}).copyTree(from, to); err != nil {
				return fmt.Errorf("copying %s: %w", from, err)
			}
		}
		return readable(temp)
	})
	if err != nil {
		return nil, err
	}
	libs := ""
	if lib := filepath.Join(dir, "lib"); debian.FindStringSubmatch(bin) == nil && exists(lib) {
		libs = lib
	}
	return f.try(ctx, filepath.Join(dir, rel), libs)
}

// readable lets everybody read what is below dir, and run what its owner can.
func readable(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSymlink != 0 {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		mode := info.Mode().Perm()
		return os.Chmod(path, mode|mode&0o500>>3|mode&0o500>>6)
	})
}
