package docker

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"

	"github.com/bedlamlab/bedlam/deploy/supervise"
)

// starving returns a machine of the lab's, and an instance of it in which the
// actor lives.
func (l *lab) starving(s spec) (m *machine, id string) {
	l.t.Helper()
	m = &machine{daemon: l.daemon, desc: supervise.Description{Run: l.run}}
	s.Instance = "front-1"
	id = l.play(s, "live")
	l.alive(id)
	return m, id
}

func TestExhaust(t *testing.T) {
	l := newLab(t)
	const memory = 64 << 20
	m, id := l.starving(spec{Memory: memory, Tmpfs: map[string]int64{tmp: memory}, ReadOnly: true})
	l.must(m.exhaust(l.ctx, "front-1"))
	e, err := l.wait(l.ctx, id)
	l.must(err)
	if want := (exit{Code: killed, OOMKilled: true}); e != want || !errors.Is(e, supervise.ErrOOMKilled) {
		t.Errorf("it ended with %+v, want %+v", e, want)
	}
	if v := l.look(id); v.Running || !v.OOMKilled {
		t.Errorf("it is %+v", v)
	}
	if err := m.exhaust(l.ctx, "front-1"); !errors.Is(err, supervise.ErrGone) {
		t.Errorf("once more: %v", err)
	}
	// Its next life has its memory again, and ends in another way: the daemon's
	// word of the first must not be taken for one of the second.
	l.must(l.start(l.ctx, id))
	v := l.look(id)
	l.must(l.kill(l.ctx, id, syscall.SIGKILL))
	if e, err := l.wait(l.ctx, id); err != nil || e.OOMKilled || e.Code != killed || errors.Is(e, supervise.ErrOOMKilled) {
		t.Errorf("killed, it ended with %+v, %v", e, err)
	}
	v.OOMKilled, v.Running, v.ExitCode = true, false, killed // a daemon that never takes it back
	if is, err := l.oomKilled(l.ctx, v); is || err != nil {
		t.Errorf("of an end before this life's beginning the daemon says %t, %v", is, err)
	}
}

// What cannot be exhausted is left as it was.
func TestExhaustRefuses(t *testing.T) {
	l := newLab(t)
	for _, c := range []struct {
		why   string
		spec  spec
		pause bool
		want  string
	}{
		{"no limit", spec{Tmpfs: map[string]int64{tmp: 1 << 20}}, false, "its memory has no limit"},
		{"paused", spec{Memory: 64 << 20, Tmpfs: map[string]int64{tmp: 64 << 20}}, true, "it is paused"},
		{"no tmpfs", spec{Memory: 64 << 20}, false, "it is no tmpfs"},
		{"a small tmpfs", spec{Memory: 64 << 20, Tmpfs: map[string]int64{tmp: 1 << 20}}, false, "no space left"},
	} {
		t.Run(c.why, func(t *testing.T) {
			m, id := l.starving(c.spec)
			if c.pause {
				l.must(l.pause(l.ctx, id))
			}
			before := l.look(id)
			if err := m.exhaust(l.ctx, "front-1"); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if v := l.look(id); !v.Running || !v.Started.Equal(before.Started) {
				t.Errorf("it is %+v", v)
			}
			l.must(l.unpause(l.ctx, id))
			l.until("the daemon says that it runs", func() bool { return !l.look(id).Paused }) // it may say so later
			out, err := l.exec(l.ctx, id, "/shop", "score")
			if err != nil || strings.TrimSpace(string(out)) != "0" {
				t.Errorf("it stands with the kernel as %q, %v; want it as before", out, err)
			}
			l.must(l.remove(l.ctx, id))
		})
	}
	m := &machine{daemon: l.daemon, desc: supervise.Description{Run: l.run}}
	if err := m.exhaust(l.ctx, "nobody-1"); !errors.Is(err, supervise.ErrGone) {
		t.Errorf("one that was never there: %v", err)
	}
}

// Whoever gives it up does not leave it at work: it has ended by then, and the
// container stands with the kernel as it did.
func TestExhaustEndsWithItsAsker(t *testing.T) {
	l := newLab(t)
	_, id := l.starving(spec{Memory: 64 << 20, Tmpfs: map[string]int64{tmp: 64 << 20}})
	score := func() string {
		out, err := l.exec(l.ctx, id, "/shop", "score")
		l.must(err)
		return strings.TrimSpace(string(out))
	}
	ctx, giveUp := context.WithCancel(l.ctx)
	defer giveUp()
	gone := make(chan error, 1)
	go func() { // so little that nobody ends by it
		_, err := l.exec(ctx, id, "/bedlam", "exhaust", tmp, "1048576")
		gone <- err
	}()
	l.until("it is at work", func() bool { return score() == "1000" })
	giveUp()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if got := score(); got != "0" {
		t.Errorf("it is left at work: the container stands with the kernel as %s", got)
	}
}

// The daemon may say that the command succeeded, which it never does by itself.
func TestLivesSaysWhy(t *testing.T) {
	for _, why := range []error{nil, errors.New("given up")} {
		err := lives(why)
		if err == nil || strings.Contains(err.Error(), "%!") || why != nil && !errors.Is(err, why) {
			t.Errorf("of %v it says %v", why, err)
		}
	}
}

// Only a life on which exhaust has been at work waits for the daemon's word.
func TestSettle(t *testing.T) {
	l := newLab(t)
	id := l.cast(spec{Memory: 32 << 20}, "eat")
	early := exit{Code: killed} // as it is if the word comes late
	settled := func(exhausted bool) exit {
		return (&life{daemon: l.daemon, container: id, exhausted: func() bool { return exhausted }}).settle(early)
	}
	// A daemon may not listen yet when a life is as short as this one.
	l.until("the word on an end for want of memory is waited for", func() bool {
		l.must(l.start(l.ctx, id))
		if _, err := l.wait(l.ctx, id); err != nil {
			t.Fatal(err)
		}
		return settled(true).OOMKilled
	})
	if got := settled(false); got.OOMKilled {
		t.Errorf("of a life that nothing was at work on, it ended with %+v", got)
	}
}
