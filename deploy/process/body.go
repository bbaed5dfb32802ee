package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/bedlamlab/bedlam/deploy/postgres"
	"github.com/bedlamlab/bedlam/deploy/supervise"
	"github.com/bedlamlab/bedlam/topology"
)

// A body is an instance's processes, all of which stand in its folder.
type body struct {
	machine
	name string
	// prepare is called before each start, after the last life's processes
	// are gone; may be nil.
	prepare func(ctx context.Context) error
	command func() (*exec.Cmd, error) // with Args, Env and Dir set
}

// Prepare implements [supervise.Body].
func (b *body) Prepare(ctx context.Context) error {
	if err := b.pack(b.name, identity{}).kill(ctx); err != nil {
		return fmt.Errorf("ending what its last life left: %w", err)
	}
	if b.prepare == nil {
		return nil
	}
	return b.prepare(ctx)
}

// Start implements [supervise.Body].
func (b *body) Start(ctx context.Context, log *os.File) (supervise.Life, error) {
	cmd, err := b.command()
	if err != nil {
		return nil, err
	}
	// A file, not a pipe of ours: it must not notice when we are killed.
	cmd.Stdout, cmd.Stderr = log, log
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	// A session of its own is a process group of its own, and no terminal.
	cmd.SysProcAttr.Setsid, cmd.SysProcAttr.Setpgid = true, false
	err = b.launch(b.name, cmd)
	if in, ok := cmd.Stdin.(*os.File); ok {
		in.Close()
	}
	if err != nil {
		return nil, err
	}
	p, err := look(cmd.Process.Pid) // it is ours to reap, so it is there, if only as a zombie
	if err != nil {
		cmd.Process.Kill()
		cmd.Wait()
		return nil, err
	}
	l := &life{pack: b.pack(b.name, p.identity), id: p.identity, cmd: cmd, oomKills: b.oomKills(b.name)}
	l.before = l.oomKills()
	if b.name == supervise.Relay {
		return l, nil
	}
	t, err := b.target(b.name)
	t.PID, t.Start = p.PID, p.Start // which is not written down yet
	if err == nil {
		err = b.plane.Started(ctx, t)
	}
	if err != nil {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), killTime)
		defer cancel()
		l.End(end)
		l.Wait()
		return nil, err
	}
	return l, nil
}

// A life is one process of a body, from its start to its end.
type life struct {
	pack pack
	id   identity
	cmd  *exec.Cmd
	why  error
	// oomKills is how many processes of its cell the kernel has ended for want
	// of memory, and before how many when it began.
	oomKills func() int
	before   int
}

// Identity implements [supervise.Life].
func (l *life) Identity() supervise.Identity { return supervise.Identity(l.id) }

// Wait implements [supervise.Life].
func (l *life) Wait() {
	err := l.cmd.Wait()
	if failed := (*exec.ExitError)(nil); err == nil || errors.As(err, &failed) {
		err = errors.New(l.cmd.ProcessState.String())
	}
	if s, ok := l.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && s.Signal() == syscall.SIGKILL && l.oomKills() > l.before {
		err = fmt.Errorf("%w: %w", supervise.ErrOOMKilled, err)
	}
	l.why = err
}

// Why implements [supervise.Life].
func (l *life) Why() error { return l.why }

// Ask implements [supervise.Life].
func (l *life) Ask(ctx context.Context, sig syscall.Signal) {
	l.id.signal(sig)
	l.pack.thaw(ctx)
}

// End implements [supervise.Life].
func (l *life) End(ctx context.Context) error { return l.pack.kill(ctx) }

// service runs the shop program. Its environment holds its assignment and
// nothing of ours.
func (m machine) service(shop string) func(topology.Instance, supervise.Told) supervise.Body {
	return func(in topology.Instance, told supervise.Told) supervise.Body {
		return &body{machine: m, name: in.Name, command: func() (*exec.Cmd, error) {
			b, err := told()
			if err != nil {
				return nil, err
			}
			cmd := exec.Command(shop, in.Service)
			cmd.Dir = m.Folder(in.Name)
			cmd.Env = []string{"SHOP_ASSIGNMENT=" + string(b)}
			return cmd, nil
		}}
	}
}

// store runs a postmaster.
func (m machine) store(install *postgres.Install) func(topology.Instance, postgres.Options) supervise.Body {
	return func(in topology.Instance, o postgres.Options) supervise.Body {
		return &body{machine: m, name: in.Name,
			prepare: func(ctx context.Context) error {
				if err := m.plug(ctx, in.Name, o, install.Init); err != nil {
					return err
				}
				if err := install.Init(ctx, o); err != nil {
					return err
				}
				return install.Settle(ctx, o)
			},
			command: func() (*exec.Cmd, error) { return install.Command(o), nil },
		}
	}
}

// relay runs the relay. Its configuration stands in a file.
func (m machine) relay(bedlam string) func(supervise.Told) supervise.Body {
	config := filepath.Join(m.Folder(supervise.Relay), "config.json")
	return func(told supervise.Told) supervise.Body {
		return &body{machine: m, name: supervise.Relay,
			prepare: func(context.Context) error {
				b, err := told()
				if err != nil {
					return err
				}
				return os.WriteFile(config, b, 0o600)
			},
			command: func() (*exec.Cmd, error) {
				f, err := os.Open(config)
				if err != nil {
					return nil, err
				}
				cmd := exec.Command(bedlam, "relay")
				cmd.Dir, cmd.Env, cmd.Stdin = m.Folder(supervise.Relay), []string{}, f
				return cmd, nil
			},
		}
	}
}
