package impair

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// word is what a holder says when what it holds is in force.
const word = "ready\n"

// A spec is what [Main] is told on its standard input, which stays open as long
// as whoever started it lives.
type spec struct {
	Job
	// Lock is a file that a holder locks. Who asks the kernel for the owner of
	// that lock learns its process id, from any process and at any time. Empty:
	// none.
	Lock string `json:"lock,omitempty"`
	// Errand is what is to be done where the instance is; empty: to hold, for a
	// plane on this machine.
	Errand errand `json:"errand,omitempty"`
}

// Main is what `bedlam impair` runs: the holder of one impairment of one
// instance, or what [Talk] asks for. It ends when ctx does, or stdin.
func Main(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	in := bufio.NewReader(stdin)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("reading what to hold: %w", err)
	}
	var s spec
	if err := json.Unmarshal(line, &s); err != nil {
		return fmt.Errorf("reading what to hold: %w", err)
	}
	if s.Errand != "" {
		return s.run(ctx, in, stdout)
	}
	h, err := Build(s.Impairment)
	if err != nil {
		return err
	}
	held, ok := h.(Held)
	if !ok {
		return fmt.Errorf("%s needs nobody to hold it", s.Impairment.Kind)
	}
	lock, err := s.lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	ctx, cancel := until(ctx, in)
	defer cancel()
	return held.Hold(ctx, s.Target, func() { io.WriteString(stdout, word) })
}

// until returns a context that ends with ctx, or when there is nothing more to
// read: whoever started us is gone.
func until(ctx context.Context, in io.Reader) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		io.Copy(io.Discard, in)
		cancel()
	}()
	return ctx, cancel
}

// lock locks the file by which others find this process.
func (s spec) lock() (*os.File, error) {
	if s.Lock == "" {
		return nil, errors.New("there is nothing to lock")
	}
	f, err := os.OpenFile(s.Lock, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.FcntlFlock(f.Fd(), syscall.F_SETLK, &syscall.Flock_t{Type: syscall.F_WRLCK}); err != nil {
		f.Close()
		return nil, fmt.Errorf("locking %s: %w", s.Lock, err)
	}
	return f, nil
}
