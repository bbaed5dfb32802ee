package postgres

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// A template is a data folder as initdb leaves it, made once per version and
// account and copied for each server: initdb takes seconds, a copy does not.
// Its superuser has a password of the template's own, which Provision replaces.
//
//	templates/15.4-u101-2/data       the data folder
//	templates/15.4-u101-2/password   of its superuser

// templateFormat counts changes to how a template is made, so that an older
// one is never taken for a new one.
const templateFormat = 2

// templates is the cache's folder for them.
const templates = "templates"

// templateName names the template for the account with that number.
func (i *Install) templateName(uid int) string {
	return fmt.Sprintf("%s-u%d-%d", i.Version, uid, templateFormat)
}

// template returns the folder of the template, and makes it first if need be.
func (i *Install) template(ctx context.Context, cache string) (string, error) {
	parent := filepath.Join(cache, templates)
	name := i.templateName(i.Account.UID)
	dir := filepath.Join(parent, name)
	if exists(dir) {
		return dir, nil
	}
	release, err := lock(ctx, parent, name, nil)
	if readOnly(err) {
		return "", fmt.Errorf("%w: %s", err, another)
	}
	if err != nil {
		return "", err
	}
	defer release()
	return dir, build(dir, func(temp string) error { return i.initdb(ctx, temp) })
}

func (i *Install) initdb(ctx context.Context, dir string) error {
	file := filepath.Join(dir, "password")
	if err := os.WriteFile(file, []byte(rand.Text()), 0o600); err != nil {
		return fmt.Errorf("initdb: %w", err)
	}
	for _, path := range []string{dir, file} {
		if err := i.Account.own(path); err != nil {
			return fmt.Errorf("initdb: %w", err)
		}
	}
	cmd := i.runner(dir).command(ctx, filepath.Join(i.Bin, "initdb"),
		"--pgdata="+filepath.Join(dir, "data"), "--username="+Superuser, "--pwfile="+file,
		"--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--data-checksums",
		// A quarter of the usual 16 MB: a template is copied with one segment.
		"--wal-segsize=4",
		"--no-instructions",
	)
	// Without it its children, who hold its output, come to their input's end.
	cmd.WaitDelay = farewell
	out, err := cmd.CombinedOutput()
	if err != nil && bytes.Contains(out, []byte("could not look up effective user ID")) {
		// As in a container that is run under a bare number.
		return fmt.Errorf("initdb wants to know the name of user %d: give that user an entry in /etc/passwd", i.Account.UID)
	}
	if err != nil {
		return fmt.Errorf("initdb: %w", said(err, out))
	}
	if err := i.slim(ctx, dir); err != nil {
		return fmt.Errorf("initdb: %w", err)
	}
	return os.Chmod(dir, 0o700) // it holds a password
}

// slim drops the pristine copy of template1 that only dumps are restored
// from: a third of the files, and so of what each start copies.
func (i *Install) slim(ctx context.Context, dir string) error {
	cmd := i.runner(dir).command(ctx, filepath.Join(i.Bin, "postgres"), "--single", "-D", filepath.Join(dir, "data"), "template1")
	// Killed, it would leave shared memory in the kernel.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = farewell
	cmd.Stdin = strings.NewReader("UPDATE pg_database SET datistemplate = false WHERE datname = 'template0'\nDROP DATABASE template0\n")
	out, err := cmd.CombinedOutput()
	if err == nil && bytes.Contains(out, []byte("ERROR:")) {
		err = errors.New("single-user mode") // it goes on after an error, and exits with 0
	}
	if err != nil {
		return said(err, out)
	}
	return nil
}

// copyTree copies the folder from to the new folder to, for the account.
func (a Account) copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			err = os.Mkdir(target, info.Mode().Perm())
		case info.Mode().IsRegular():
			err = copyFile(path, target, info.Mode().Perm())
		case info.Mode()&fs.ModeSymlink != 0:
			var link string
			if link, err = os.Readlink(path); err == nil {
				err = os.Symlink(link, target)
			}
		default:
			err = fmt.Errorf("%s is neither file nor folder", path)
		}
		if err != nil {
			return err
		}
		return a.own(target)
	})
}

// copyFile leaves the copying to the kernel where it can (copy_file_range).
func copyFile(from, to string, mode fs.FileMode) error {
	r, err := os.Open(from)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, r); err != nil {
		w.Close()
		return err
	}
	return w.Close()
}
