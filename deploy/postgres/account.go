package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// An Account is the user that a server runs under.
type Account struct {
	Name string
	UID  int
	GID  int
	drop bool // we are root and must become it
}

// unprivileged are the accounts that root may run a server under, best first.
// Debian's packages bring the first, every Unix has the second.
var unprivileged = []string{"postgres", "nobody"}

// account returns ourselves, or for root the best unprivileged account.
func account() (Account, error) {
	if uid := os.Getuid(); uid != 0 {
		a := Account{Name: strconv.Itoa(uid), UID: uid, GID: os.Getgid()}
		if u, err := user.Current(); err == nil && u.Username != "" { // in a container, the number may be all there is
			a.Name = u.Username
		}
		return a, nil
	}
	for _, name := range unprivileged {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.Atoi(u.Uid)
		gid, err2 := strconv.Atoi(u.Gid)
		if err1 == nil && err2 == nil && uid > 0 {
			return Account{Name: name, UID: uid, GID: gid, drop: true}, nil
		}
	}
	return Account{}, fmt.Errorf("PostgreSQL does not run as root, and there is no account %s or %s to run it under", unprivileged[0], unprivileged[1])
}

// as makes cmd run under a, in a process group of its own, so that a signal
// meant for us (Ctrl-C) is not the server's too.
func (a Account) as(cmd *exec.Cmd) *exec.Cmd {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if a.drop {
		// No supplementary groups: none is needed.
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(a.UID), Gid: uint32(a.GID)}
	}
	return cmd
}

// own gives path to a, if we are root.
func (a Account) own(path string) error {
	if !a.drop {
		return nil
	}
	if info, err := os.Lstat(path); err == nil {
		if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) == a.UID && int(st.Gid) == a.GID {
			return nil // what is read-only by now is no reason to fail
		}
	}
	return os.Lchown(path, a.UID, a.GID)
}

// A runner starts short programs as the account with a known environment.
type runner struct {
	account Account
	libs    string // LD_LIBRARY_PATH, or empty
	dir     string // the working folder; the root folder if empty, which every account can enter
}

func (r runner) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := r.account.as(exec.CommandContext(ctx, name, args...))
	cmd.Dir = r.dir
	if cmd.Dir == "" {
		cmd.Dir = "/"
	}
	cmd.Env = environment(r.libs, cmd.Dir)
	return cmd
}

// environment is all that a server's programs see of ours: a PGHOST or a
// locale of the caller's must not change what a run does.
func environment(libs, home string) []string {
	env := []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", "TZ=UTC", "HOME=" + home}
	if libs != "" {
		env = append(env, "LD_LIBRARY_PATH="+libs)
	}
	return env
}

// Reaches reports whether the server's account can get to dir: nil, or an
// error that names the first folder on the way that keeps it out. dir itself
// need not exist; only its existing parents are looked at.
func (i *Install) Reaches(dir string) error {
	if !i.Account.drop {
		return nil
	}
	for at := filepath.Clean(dir); ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("looking at %s: %w", at, err)
		}
		if !i.Account.enters(info) {
			return fmt.Errorf("PostgreSQL runs under the account %s, which cannot enter %s: choose a folder outside it, or run without root", i.Account.Name, at)
		}
		if at == filepath.Dir(at) {
			return nil
		}
	}
}

// enters reports whether a may pass through the folder.
func (a Account) enters(info fs.FileInfo) bool {
	mode := info.Mode().Perm()
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		switch {
		case int(st.Uid) == a.UID:
			return mode&0o100 != 0
		case int(st.Gid) == a.GID:
			return mode&0o010 != 0
		}
	}
	return mode&0o001 != 0
}
