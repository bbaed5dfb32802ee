package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bedlamlab/bedlam"
	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/fault"
	"github.com/bedlamlab/bedlam/chaos/monkey"
	"github.com/bedlamlab/bedlam/chaos/runner"
	"github.com/bedlamlab/bedlam/services"
	"github.com/bedlamlab/bedlam/topology"
)

// unread is a pipe that is full, as one behind a terminal that was stopped.
func unread(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	// A write that fits is done at once, so that no machine is too slow for this.
	if err := w.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = w.Write(bytes.Repeat([]byte("\n"), 4096))
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	if err := w.SetWriteDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	return r, w
}

// all is what is printed on a pipe that is read at last.
func all(t *testing.T, p *printer, r, w *os.File) []string {
	t.Helper()
	go func() {
		if !p.drain(time.Minute) { // far more than a line takes
			t.Error("it is read, and not printed")
		}
		w.Close()
	}()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.Trim(string(b), "\n"), "\n")
}

// A doll's harms are words, and it says when one is done and when it is lifted.
type doll struct{ done, lifted chan struct{} }

// Inject implements [monkey.Hand].
func (d doll) Inject(context.Context, chaos.Resolved) (monkey.Grip, error) {
	d.done <- struct{}{}
	return d, nil
}

// Proof implements [monkey.Grip].
func (doll) Proof() (string, error) { return "sees it", nil }

// Lift implements [monkey.Grip].
func (d doll) Lift(_ context.Context, lifted func()) error {
	lifted()
	d.lifted <- struct{}{}
	return nil
}

// TestNobodyReadsTheMonkey: a fault ends in its time, and a halt is heard, while
// what is told of it is not read; read later, nothing of it is missing.
func TestNobodyReadsTheMonkey(t *testing.T) {
	r, w := unread(t)
	d := doll{make(chan struct{}, 2), make(chan struct{}, 2)}
	fell := func(id string, at, duration time.Duration, in string) chaos.Resolved {
		return chaos.Resolved{ID: id, Action: "kill", Instances: []string{in}, At: topology.Duration(at), Duration: topology.Duration(duration)}
	}
	p := &printer{}
	m := monkey.New(monkey.Config{Topology: services.Shop(), Caps: monkey.Defaults().Caps, Start: time.Now(), Origin: monkey.Replayed, Hand: d, Check: fault.Check,
		Faults: slices.Values([]chaos.Resolved{fell("short", 0, time.Millisecond, "cart-1"), fell("long", 100*time.Millisecond, time.Hour, "orders-1")}), Observe: teller(p, w)})
	ended := make(chan error, 1)
	go func() { ended <- m.Run(context.Background()) }()
	soon := time.After(2 * time.Minute) // far more than any machine needs
	await := func(what string, done <-chan struct{}) {
		select {
		case <-done:
		case <-soon:
			t.Fatal(what + ": nobody reads, and it waits")
		}
	}
	await("a fault", d.done)
	await("the end of its time", d.lifted)
	await("the next", d.done)
	halted := make(chan struct{})
	go func() {
		if err := m.Halt(context.Background()); err != nil {
			t.Error(err)
		}
		close(halted)
	}()
	await("halt", halted)
	await("its lift", d.lifted)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if p.drain(time.Millisecond) {
		t.Error("all is printed, and nobody has read it")
	}
	told := strings.Join(all(t, p, r, w), "\n")
	for _, id := range []string{"short", "long"} {
		for _, what := range []monkey.What{monkey.WasInjected, monkey.WasProven, monkey.WasLifted, monkey.IsGone} {
			if !strings.Contains(told, fmt.Sprintf("%-10s  %s kill", what, id)) {
				t.Errorf("that %s was %s is not told:\n%s", id, what, told)
			}
		}
	}
}

// TestNobodyReadsTheProgress: a run goes on; of its steps the first few are
// printed when somebody reads, and every note.
func TestNobodyReadsTheProgress(t *testing.T) {
	r, w := unread(t)
	p := newProgress(w)
	const many = 10 * mostWaiting
	for n := range many {
		p.show(bedlam.Status{Progress: runner.Progress{Phase: fmt.Sprintf("phase %d", n)}})
		p.show(bedlam.Status{Note: fmt.Sprintf("note %d", n)})
	}
	p.wipe()
	notes, phases := 0, 0
	for _, l := range all(t, &p.out, r, w) {
		if strings.HasPrefix(l, "note ") {
			notes++
		} else {
			phases++
		}
	}
	if phases == 0 || phases > mostWaiting || notes != many {
		t.Errorf("%d phases and %d notes, of %d each", phases, notes, many)
	}
}

// TestAReaderWhoIsSlowIsWaitedFor, and one who has gone is not.
func TestAReaderWhoIsSlowIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := &printer{}, &slowly{by: readPatience - time.Second}
		begun := time.Now()
		for _, text := range []string{"a", "b", "c"} {
			p.say(s, text)
		}
		if !p.drain(readPatience) || s.text != "abc" || time.Since(begun) != 3*s.by {
			t.Errorf("%q after %s", s.text, time.Since(begun))
		}
		begun, s.by = time.Now(), time.Hour
		p.say(s, "d")
		if p.drain(readPatience) || time.Since(begun) != readPatience {
			t.Errorf("it waited %s", time.Since(begun))
		}
		p.drain(2 * s.by) // a bubble ends with nothing under way
	})
}

// slowly takes its time for each piece.
type slowly struct {
	text string
	by   time.Duration
}

// Write implements [io.Writer].
func (s *slowly) Write(b []byte) (int, error) {
	time.Sleep(s.by) // in the bubble's time
	s.text += string(b)
	return len(b), nil
}
