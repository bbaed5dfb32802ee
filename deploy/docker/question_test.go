package docker

import (
	"context"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/bedlamlab/bedlam/deploy/supervise"
)

// asker starts a guest with a health command, which the daemon runs that often.
func (w *town) asker(every time.Duration, words ...string) (g *guests, id string) {
	w.t.Helper()
	id = w.stranger(w.consenting("back-1"), func(o *client.ContainerCreateOptions) {
		o.Config.Healthcheck = &container.HealthConfig{Interval: every, Test: append([]string{"CMD", "/shop"}, words...)}
	}, "live")
	return &guests{daemon: w.daemon, desc: supervise.Description{Topology: w.file.System, Guests: map[string]string{"back-1": id}}}, id
}

// A health command that does not answer is not asked again beside itself.
func TestOneQuestionAtATime(t *testing.T) {
	w := newTown(t)
	g, id := w.asker(time.Hour, "live")
	processes := func() int {
		top, err := w.api.ContainerTop(w.ctx, id, client.ContainerTopOptions{})
		w.must(err)
		return len(top.Processes)
	}
	for range 3 { // each after the pause between two
		ctx, cancel := context.WithTimeout(w.ctx, askPause+askPause/10)
		if err := g.Healthy(ctx, "back-1"); err == nil {
			t.Error("one that does not answer is well")
		}
		cancel()
	}
	if n := processes(); n != 2 {
		t.Errorf("%d processes are in it, want its own and one that asks", n)
	}
	// With its life, what was asked in it is over.
	w.must(w.kill(w.ctx, id, 9))
	w.must(w.start(w.ctx, id))
	ctx, cancel := context.WithTimeout(w.ctx, askPause)
	defer cancel()
	if err := g.Healthy(ctx, "back-1"); err == nil {
		t.Error("one that does not answer is well")
	}
	if n := processes(); n != 2 {
		t.Errorf("%d processes are in its next life, want its own and one that asks", n)
	}
}

// Who is ill is asked again, but not more often than once in a while.
func TestQuestionsAreSeldom(t *testing.T) {
	w := newTown(t)
	g, _ := w.asker(time.Hour, "exit", "3")
	asked := map[string]bool{}
	began := time.Now()
	for len(asked) < 2 {
		if err := g.Healthy(w.ctx, "back-1"); err == nil {
			t.Fatal("one whose command fails is well")
		}
		q, ok := g.questions.Load("back-1")
		if !ok {
			t.Fatal("it was not asked")
		}
		asked[q.(*question).exec] = true
	}
	if took := time.Since(began); took < askPause {
		t.Errorf("it was asked twice within %s", took)
	}
}

// Of one that is well, the daemon's own word is enough.
func TestTheDaemonHasAsked(t *testing.T) {
	w := newTown(t)
	g, id := w.asker(50*time.Millisecond, "exit", "0")
	w.until("the daemon has asked", func() bool { return w.look(id).Healthy })
	w.must(g.Healthy(w.ctx, "back-1"))
	if _, ok := g.questions.Load("back-1"); ok {
		t.Error("it was asked besides")
	}
}
