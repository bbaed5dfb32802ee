package docker

import (
	"context"
	"maps"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/container"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/attach"
)

// TestNobodyElseIsHarmed tries to harm a container whose owner has not
// consented, in every way that there is: by attaching to it, and by forging
// what a run that was cut short leaves behind, so that the guard, a heal or a
// sweep comes to it.
func TestNobodyElseIsHarmed(t *testing.T) {
	for _, c := range []struct {
		why    string
		labels map[string]string // besides that of its instance
	}{
		{"no label", nil},
		{"another word", map[string]string{deploy.LabelChaos: "no"}},
		{"nearly the word", map[string]string{deploy.LabelChaos: "YES"}},
		{"nothing in it", map[string]string{deploy.LabelChaos: ""}},
		{"one of Bedlam's own runs", map[string]string{deploy.LabelChaos: deploy.Consent, deploy.LabelRun: "another-run"}},
	} {
		t.Run(c.why, func(t *testing.T) {
			w := newTown(t)
			labels := w.consenting("front-1")
			delete(labels, deploy.LabelChaos)
			maps.Copy(labels, c.labels)
			victim := w.front(labels, container.RestartPolicyDisabled)
			w.back(w.consenting("back-1"))
			w.until("the web server answers", w.serves)
			before := w.look(victim)

			for _, way := range []struct {
				how string
				by  func() error
			}{
				{"checked", func() error { return NewAttached(w.file).Ready(w.ctx) }},
				{"attached to", func() error { _, err := NewAttached(w.file).Up(w.ctx, w.plan()); return err }},
			} {
				err := way.by()
				if err == nil || !strings.Contains(err.Error(), before.Name) || strings.Contains(err.Error(), "\n") {
					t.Errorf("%s: got %v, want one line that names %s", way.how, err, before.Name)
				} else if _, ours := c.labels[deploy.LabelRun]; !ours && !strings.Contains(err.Error(), "dev.bedlam.chaos=yes") {
					t.Errorf("%s: %v does not name the label", way.how, err)
				}
			}
			for _, id := range []string{victim, victim[:12], before.Name} {
				w.forged(t, victim, id)
			}

			// What it is when nothing is done to it is not put right, either.
			w.must(w.pause(w.ctx, victim))
			w.forged(t, victim, victim)
			w.must(w.kill(w.ctx, victim, 9))
			w.forged(t, victim, victim)
		})
	}
}

// forged gives the victim's name to a run that it never was in, does all that
// can be done with that, and finds the victim as it was.
func (w *town) forged(t *testing.T, victim, id string) {
	t.Helper()
	was := w.look(victim)
	e := NewAttached(attach.File{})
	scratch := w.scratch(map[string]string{"front-1": id})
	s, err := e.Attach(w.ctx, scratch)
	w.must(err)
	powers := s.(guestPowers)
	for how, by := range map[string]func(context.Context, string) error{
		"kill": powers.Kill, "stop": powers.Stop, "pause": powers.Pause, "resume": powers.Resume, "release": powers.Release,
	} {
		if err := by(w.ctx, "front-1"); err == nil {
			t.Errorf("%s of %s did not fail", how, id)
		}
	}
	w.must(powers.Hold(w.ctx, "front-1")) // which is no more than a file
	if err := e.Sweep(w.ctx, w.run, scratch); err == nil {
		t.Errorf("the sweep of %s did not fail", id)
	}
	if err := s.Down(w.ctx); err == nil {
		t.Errorf("the end of %s did not fail", id)
	}
	// Nor by the other engine.
	if err := New().Sweep(w.ctx, w.run, w.scratch(map[string]string{"front-1": id})); err == nil {
		t.Errorf("the other engine swept the folder of %s", id)
	}
	now := w.look(victim)
	if now.Running != was.Running || now.Paused != was.Paused || !now.Started.Equal(was.Started) || now.PID != was.PID {
		t.Errorf("it was %+v and is %+v", was, now)
	}
}

// TestAnEmptyLabelIsNoRun attaches to a container of an image that was made out
// of one of Bedlam's containers: it inherits the label, with nothing in it.
func TestAnEmptyLabelIsNoRun(t *testing.T) {
	w := newTown(t)
	labels := w.consenting("front-1")
	labels[deploy.LabelRun] = ""
	w.front(labels, container.RestartPolicyDisabled)
	back := w.consenting("back-1")
	back[deploy.LabelRun] = ""
	w.back(back)
	// The same with the run's name in it is Bedlam's own, and no second choice.
	own := w.consenting("back-1")
	own[deploy.LabelRun] = "another-run"
	w.back(own)
	w.must(NewAttached(w.file).Ready(w.ctx))
	w.must(w.attached().Kill(w.ctx, "back-1"))
}
