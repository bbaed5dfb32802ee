package docker

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/supervise"
)

// TestAttached breaks somebody else's containers in every way, and finds them
// as they were.
func TestAttached(t *testing.T) {
	w := newTown(t)
	ids := w.both()
	w.must(NewAttached(w.file).Ready(w.ctx))
	s := w.attached()
	state := func(instance string) deploy.State {
		t.Helper()
		st, err := s.Inspect(w.ctx, instance)
		w.must(err)
		return st
	}
	for in := range ids {
		if st := state(in); st.Phase != deploy.Running || !st.Ready || st.Starts != 1 || w.events.count("found", in) != 1 || w.events.count("started", in) != 0 {
			t.Errorf("%s is attached to as %+v", in, st)
		}
	}
	for _, end := range []struct {
		how string
		by  func(context.Context, string) error
	}{{"killed", s.Kill}, {"stopped", s.Stop}} {
		for in := range ids {
			before := state(in).Starts
			w.must(end.by(w.ctx, in))
			w.until(in+" is started again after it was "+end.how, func() bool {
				st := state(in)
				return st.Phase == deploy.Running && st.Ready && st.Starts == before+1
			})
		}
	}
	if !w.serves() {
		t.Error("the web server is started again and does not answer")
	}

	w.must(s.Pause(w.ctx, "back-1"))
	w.must(s.Pause(w.ctx, "back-1")) // idempotent
	if st := state("back-1"); st.Phase != deploy.Paused || st.PID == 0 {
		t.Errorf("paused, it is %+v", st)
	}
	w.must(s.Resume(w.ctx, "back-1"))
	w.must(s.Resume(w.ctx, "back-1"))

	w.must(s.Hold(w.ctx, "front-1"))
	w.must(s.Kill(w.ctx, "front-1"))
	if st := state("front-1"); st.Phase != deploy.Down || !st.Held {
		t.Errorf("held and killed, it is %+v", st)
	}
	if err := s.Kill(w.ctx, "front-1"); err == nil {
		t.Error("what is down was killed again")
	}
	w.must(s.Release(w.ctx, "front-1"))
	w.until("the web server answers after its release", w.serves)

	// Down while one is frozen and one is down.
	w.must(s.Pause(w.ctx, "back-1"))
	w.must(s.Hold(w.ctx, "front-1"))
	w.must(s.Kill(w.ctx, "front-1"))
	w.must(s.Down(w.ctx))
	w.must(s.Down(w.ctx))
	for in, id := range ids {
		if v := w.look(id); !v.Running || v.Paused {
			t.Errorf("%s is left as %+v", in, v)
		}
	}
}

// TestAttachedHasNoMore looks for powers that there are not.
func TestAttachedHasNoMore(t *testing.T) {
	w := newTown(t)
	w.both()
	s := w.attached()
	if _, err := deploy.Power[deploy.Shaper](s); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a Shaper: %v", err)
	}
	if _, err := deploy.Power[deploy.Databaser](s); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a Databaser: %v", err)
	}
	if a, err := s.Address("loader-1", "front-1"); err != nil || a != w.file.Addresses["front-1"] {
		t.Errorf("customers come in at %q, %v", a, err)
	}
	for _, callee := range []string{"back-1", "relay", "?"} {
		if a, err := s.Address("", callee); err == nil {
			t.Errorf("%s is at %q", callee, a)
		}
	}
	if _, err := s.Inspect(w.ctx, "relay"); err == nil {
		t.Error("there is a relay")
	}
}

// TestAnotherSupervisor lets the daemon's own restart policy be quicker.
func TestAnotherSupervisor(t *testing.T) {
	w := newTown(t)
	front := w.front(w.consenting("front-1"), container.RestartPolicyAlways)
	w.back(w.consenting("back-1"))
	s := w.attached()
	if a, err := http.Get("http://" + w.file.Addresses["front-1"] + "/die"); err == nil {
		a.Body.Close()
	}
	w.until("its second life is found", func() bool { return w.events.count("found", "front-1") == 2 })
	if n := w.events.count("started", "front-1"); n != 0 {
		t.Errorf("it was started %d times besides", n)
	}
	// Ours suspends the policy: it stays down as long as it is held.
	w.must(s.Hold(w.ctx, "front-1"))
	w.must(s.Kill(w.ctx, "front-1"))
	if v := w.look(front); v.Running || v.Restart {
		t.Errorf("killed, it is %+v", v)
	}
	w.must(s.Release(w.ctx, "front-1"))
	w.until("it serves", w.serves)
}

// TestSweepPutsRight heals what a run left that was cut short.
func TestSweepPutsRight(t *testing.T) {
	w := newTown(t)
	ids := w.both()
	e := NewAttached(w.file)
	for _, by := range []string{"sweep", "down", "release"} {
		scratch := w.scratch(ids)
		w.must(w.pause(w.ctx, ids["back-1"]))
		w.must(w.kill(w.ctx, ids["front-1"], 9))
		switch by {
		case "release":
			s, err := e.Attach(w.ctx, scratch)
			w.must(err)
			w.must(s.(deploy.Holder).Release(w.ctx, "front-1"))
			w.must(s.(deploy.Pauser).Resume(w.ctx, "back-1"))
			w.must(s.Down(w.ctx))
		case "down":
			s, err := e.Attach(w.ctx, scratch)
			w.must(err)
			w.must(s.Down(w.ctx))
		}
		for range 2 { // idempotent
			w.must(NewAttached(w.file).Sweep(w.ctx, w.run, scratch))
		}
		for in, id := range ids {
			if v := w.look(id); !v.Running || v.Paused {
				t.Errorf("%s: %s is left as %+v", by, in, v)
			}
		}
		if _, err := os.Stat(scratch); err == nil {
			t.Errorf("%s: the scratch folder is left", by)
		}
	}
	// What its owner has removed meanwhile is not missed.
	scratch := w.scratch(ids)
	w.must(w.remove(w.ctx, ids["back-1"]))
	w.must(e.Sweep(w.ctx, w.run, scratch))
	// Another run's folder is not ours.
	scratch = w.scratch(ids)
	if err := e.Sweep(w.ctx, "another", scratch); err == nil {
		t.Error("another run's folder was swept")
	}
	if _, err := os.Stat(filepath.Join(scratch, "system.json")); err != nil {
		t.Error(err)
	}
}

// TestDownSaysWhatItCannotPutRight removes what a container that is down needs
// to start: the daemon says of that that it is not found, as it does of a
// container that its owner has removed.
func TestDownSaysWhatItCannotPutRight(t *testing.T) {
	w := newTown(t)
	w.front(w.consenting("front-1"), container.RestartPolicyDisabled)
	n, err := w.api.NetworkCreate(w.ctx, w.run, client.NetworkCreateOptions{})
	w.must(err)
	back := w.stranger(w.consenting("back-1"), func(o *client.ContainerCreateOptions) {
		o.HostConfig.NetworkMode = container.NetworkMode(n.ID)
	}, "live")
	s := w.attached()
	w.must(s.Hold(w.ctx, "back-1"))
	w.must(s.Kill(w.ctx, "back-1"))
	_, err = w.api.NetworkRemove(w.ctx, n.ID, client.NetworkRemoveOptions{})
	w.must(err)
	if err := s.Down(w.ctx); err == nil || !strings.Contains(err.Error(), "back-1") {
		t.Errorf("back-1 is %+v and Down says %v", w.look(back), err)
	}
	if err := NewAttached(w.file).Sweep(w.ctx, w.run, w.scratch(map[string]string{"back-1": back})); err == nil || !strings.Contains(err.Error(), "back-1") {
		t.Errorf("back-1 is %+v and the sweep says %v", w.look(back), err)
	}
}

// TestReadyRefuses looks at every reason not to attach.
func TestReadyRefuses(t *testing.T) {
	w := newTown(t)
	refused := func(want ...string) {
		t.Helper()
		err := NewAttached(w.file).Ready(w.ctx)
		if err == nil {
			t.Fatalf("attached to, want %q", want)
		}
		for _, part := range want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("got %v, want %q", err, part)
			}
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("it is more than a line: %v", err)
		}
		if _, err := NewAttached(w.file).Up(w.ctx, w.plan()); err == nil {
			t.Errorf("attached to, want %q", want)
		}
	}
	front := w.front(w.consenting("front-1"), container.RestartPolicyDisabled)
	refused("back-1: there is no container with label dev.bedlam.instance=back-1 and " + labLabel + "=" + w.run)
	back := w.back(w.consenting("back-1"))
	w.must(w.pause(w.ctx, back))
	refused("back-1", w.look(back).Name, "is paused")
	w.must(w.unpause(w.ctx, back))
	w.must(w.kill(w.ctx, front, 9))
	refused("front-1", w.look(front).Name, "does not run")
	w.must(w.start(w.ctx, front))
	other := w.back(w.consenting("back-1"))
	refused("back-1", w.look(back).Name, w.look(other).Name, "tell them apart")
	w.must(w.remove(w.ctx, other))

	s := w.attached()
	refused("another run of Bedlam is breaking it")
	w.must(s.Down(w.ctx))
	w.must(NewAttached(w.file).Ready(w.ctx))
}

// TestAttachIsClosed lets go of what is attached to without taking it down: no
// connection to the daemon stays, which the lab finds out.
func TestAttachIsClosed(t *testing.T) {
	w := newTown(t)
	ids := w.both()
	f := supervise.Files{Scratch: t.TempDir()}
	w.must(f.Make(supervise.Description{Schema: schema, Run: w.run, Topology: w.file.System,
		Layout: supervise.Layout{Own: map[string]string{"front-1": w.file.Addresses["front-1"]}}}))
	for _, a := range []struct {
		engine  deploy.Engine
		scratch string
	}{{NewAttached(w.file), w.scratch(ids)}, {New(), f.Scratch}} {
		s, err := a.engine.Attach(w.ctx, a.scratch)
		w.must(err)
		look, err := deploy.Power[deploy.Inspector](s)
		w.must(err)
		_, err = look.Inspect(w.ctx, "front-1")
		w.must(err)
		c, err := deploy.Power[io.Closer](s)
		w.must(err)
		w.must(c.Close())
	}
}
