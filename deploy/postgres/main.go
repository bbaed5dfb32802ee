package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// OptionsEnv names the environment variable from which [Main] reads a server's
// [Options], as JSON.
const OptionsEnv = "BEDLAM_STORE"

// Main is the first process of a container that is a store: it makes the
// server that the environment describes (see [OptionsEnv]) out of the programs
// in the container, runs it, and returns when it has ended. Signals are passed
// on, so that whoever signals the container signals the postmaster:
// [FastShutdown] ends it, SIGTERM ends it when its clients have left. Started
// again in the same folder it recovers as PostgreSQL does after a crash.
//
// The server listens, and lets clients in, before its roles are made; it is
// ready when the audit's role can log in, which comes with all the others.
//
// The result is the exit code that says how the postmaster ended: its own, or
// 128 and the signal's number. An error says why there was none, or why it was
// ended: it could not be made what it should be.
func Main(ctx context.Context) (code int, err error) {
	var o Options
	if err := json.Unmarshal([]byte(os.Getenv(OptionsEnv)), &o); err != nil {
		return 0, fmt.Errorf("a store's options in %s: %w", OptionsEnv, err)
	}
	// Before anything is started: to a container's first process, a signal
	// that it does not ask for is not sent at all.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGHUP)
	defer signal.Stop(signals)

	starting, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	type started struct {
		install *Install
		err     error
	}
	ready := make(chan started, 1)
	go func() {
		i, err := ground(starting, o)
		ready <- started{i, err}
	}()
	var install *Install
	for install == nil {
		select {
		case s := <-ready:
			if s.err != nil {
				return 0, s.err
			}
			install = s.install
		case sig := <-signals:
			if sig != syscall.SIGHUP {
				cancel(fmt.Errorf("ended by %s before the server was started", sig))
			}
		}
	}
	return install.attend(ctx, o, signals)
}

// ground finds the programs and makes the folder ready for a start.
func ground(ctx context.Context, o Options) (*Install, error) {
	install, err := here(ctx)
	if err == nil {
		err = install.Init(ctx, o)
	}
	if err == nil {
		err = install.Settle(ctx, o)
	}
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return install, err
}

// here finds the PostgreSQL of the container.
func here(ctx context.Context) (*Install, error) {
	cache, err := CacheDir()
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	return Find(ctx, cache, nil, System)
}

// Prepare makes what a server's first start would have to make, out of the
// programs of this machine: the template in the cache (see [CacheDir]). Whoever
// builds a container's image calls it there.
func Prepare(ctx context.Context) error {
	install, err := here(ctx)
	if err != nil {
		return err
	}
	if _, err := install.template(ctx, install.cache); err != nil {
		return fmt.Errorf("postgres: making a template: %w", err)
	}
	return nil
}

// attend runs the postmaster to its end.
func (i *Install) attend(ctx context.Context, o Options, signals <-chan os.Signal) (int, error) {
	cmd := i.Command(o)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("postgres: starting: %w", err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()

	life, cancel := context.WithCancel(ctx)
	defer cancel()
	equipped := make(chan error, 1)
	go func() { equipped <- i.Provision(life, o) }()

	var failed error // why it was ended by us
	asked := false   // somebody else has ended it
	done := ctx.Done()
	for {
		select {
		case sig := <-signals:
			if sig != syscall.SIGHUP {
				asked = true
				cancel() // or a server that waits for its clients would wait for us
			}
			cmd.Process.Signal(sig) // an error says that it is gone already
		case err := <-equipped:
			if equipped = nil; err != nil && !asked {
				failed = err
				cmd.Process.Signal(FastShutdown)
			}
		case <-done:
			done, asked = nil, true
			cmd.Process.Signal(FastShutdown)
		case err := <-exited:
			cancel()
			if equipped != nil {
				<-equipped
			}
			if exit := cmd.ProcessState; exit != nil {
				code, killed := exitCode(exit)
				if killed {
					failed = nil // it could not be provisioned for that
				}
				return code, failed
			}
			return 0, errors.Join(failed, fmt.Errorf("postgres: %w", err))
		}
	}
}

// exitCode says how a process ended, as a shell does, and whether a signal ended
// it.
func exitCode(s *os.ProcessState) (code int, killed bool) {
	if w, ok := s.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return 128 + int(w.Signal()), true
	}
	return s.ExitCode(), false
}
