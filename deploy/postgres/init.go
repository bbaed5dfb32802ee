package postgres

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Init makes o.Dir and the data folder in it, ready for [Install.Command]. A
// data folder that is there already is kept; only its configuration is written
// again, so Init before every start is fine. The server must not run.
func (i *Install) Init(ctx context.Context, o Options) error {
	if err := o.validate(); err != nil {
		return err
	}
	if err := i.Reaches(filepath.Dir(o.Dir)); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return fmt.Errorf("postgres: server's folder: %w", err)
	}
	if err := i.Account.own(o.Dir); err != nil {
		return fmt.Errorf("postgres: server's folder: %w", err)
	}
	if !exists(Data(o.Dir)) {
		if err := i.fill(ctx, o.Dir); err != nil {
			return fmt.Errorf("postgres: making the data folder: %w", err)
		}
	}
	return i.configure(o)
}

// fill copies the template. The data folder takes its name last, so that one
// with that name is whole.
func (i *Install) fill(ctx context.Context, dir string) error {
	from, err := i.template(ctx, i.cache)
	if err != nil {
		return err
	}
	temp, err := os.MkdirTemp(dir, "copy-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	if err := i.Account.copyTree(filepath.Join(from, "data"), filepath.Join(temp, "data")); err != nil {
		return err
	}
	key := firstPassword(dir)
	if err := os.RemoveAll(key); err != nil {
		return err
	}
	if err := copyFile(filepath.Join(from, "password"), key, 0o600); err != nil {
		return err
	}
	return os.Rename(filepath.Join(temp, "data"), Data(dir))
}

// firstPassword is the file with the superuser's password as the template has
// it; Provision removes the file when it has set another.
func firstPassword(dir string) string { return filepath.Join(dir, "first-password") }

// lastWords is how long a Wait for the postmaster goes on reading its log when
// it has ended: its orphans hold on to the pipe, and a frozen one for ever.
const lastWords = 100 * time.Millisecond

// Command returns the postmaster of an initialised folder, not yet started:
// under the right account, in a process group of its own, its log on standard
// error. It may be started again and again, each time with a new Command;
// before each start see [Install.Settle]. It ends on [FastShutdown]. Wait
// returns when the postmaster has ended, whether or not its children have.
func (i *Install) Command(o Options) *exec.Cmd {
	cmd := i.runner(o.Dir).command(context.Background(), filepath.Join(i.Bin, "postgres"), "-D", Data(o.Dir))
	cmd.WaitDelay = lastWords
	return cmd
}
