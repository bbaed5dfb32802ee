package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/bedlamlab/bedlam/deploy/cell"
	"github.com/bedlamlab/bedlam/deploy/impair"
)

// hands harm containers, each kind of harm from where it can be done with the
// fewest rights:
//
//	packets      ─ a container of ours in the instance's network namespace, which
//	               may change that and nothing else: see beside
//	the clock    ─ a container of ours with the instance's own account, which sees
//	               its process and may do nothing that the instance may not
//	its share of the processors ─ the daemon itself: see quota
//	a store's disk ─ this process, which has had it served: see here
//	all else     ─ a process beside the instance's own, in its container: see within
//
// None of them but the disks asks anything of the machine that Bedlam runs on.
type hands struct {
	daemon *daemon
	run    string
	here   here

	mu    sync.Mutex
	lines map[string]*line // to those who do a job that this process has asked for

	trying sync.Mutex
	tried  map[string]bool // kinds that the kernel is known to do
}

var _ impair.Hands = (*hands)(nil)

// A way is how jobs of some kinds are done.
type way interface {
	can(ctx context.Context, j impair.Job, v view) error
	do(ctx context.Context, j impair.Job, v view, save func(json.RawMessage) error) error
	undo(ctx context.Context, j impair.Job, v view) error
	shows(ctx context.Context, j impair.Job, v view) (bool, error)
}

// way chooses how a job is done.
func (h *hands) way(j impair.Job) (way, error) {
	harm, err := impair.Build(j.Impairment)
	if err != nil {
		return nil, err
	}
	if _, ok := harm.(impair.Packets); ok {
		return beside{h, h.joinsNetwork, true}, nil
	}
	switch j.Impairment.Kind {
	case impair.ClockSkew:
		return beside{h, h.joinsAccount, false}, nil
	case impair.CPUQuota:
		return quota{h}, nil
	case impair.CPUHog, impair.MemoryBalloon, impair.FileDescriptors:
		return within{h}, nil
	case impair.DiskFull, impair.DiskSlow, impair.DiskReadOnly:
		return h.here, nil
	}
	return nil, impair.Lacks("nobody does "+j.Impairment.Kind+" to a container", "--engine process --isolation full, as root on Linux")
}

// at finds how a job is done, and the container to which.
func (h *hands) at(ctx context.Context, j impair.Job) (way, view, error) {
	w, err := h.way(j)
	if err != nil {
		return nil, view{}, err
	}
	if _, ok := w.(here); ok { // whether or not there is a container
		return w, view{Running: true}, nil
	}
	v, err := h.daemon.inspect(ctx, containerName(h.run, j.Target.Instance))
	return w, v, err
}

// Can implements [impair.Hands].
func (h *hands) Can(ctx context.Context, j impair.Job) error {
	w, v, err := h.at(ctx, j)
	if err != nil {
		return err
	}
	return w.can(ctx, j, v)
}

// Do implements [impair.Hands].
func (h *hands) Do(ctx context.Context, j impair.Job, save func(json.RawMessage) error) error {
	w, v, err := h.at(ctx, j)
	if err != nil {
		return err
	}
	if !v.Running {
		return errors.New("it is down")
	}
	h.drop(j)
	return w.do(ctx, j, v, save)
}

// Undo implements [impair.Hands]. With a container's life all goes that was done
// to it, but for what the daemon keeps.
func (h *hands) Undo(ctx context.Context, j impair.Job) error {
	w, v, err := h.at(ctx, j)
	if err == nil {
		err = w.undo(ctx, j, v)
	}
	h.drop(j)
	if errors.Is(err, errUnknown) {
		return nil // and all that was done to it with it
	}
	return err
}

// Shows implements [impair.Hands].
func (h *hands) Shows(ctx context.Context, j impair.Job) (bool, error) {
	w, v, err := h.at(ctx, j)
	if errors.Is(err, errUnknown) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return w.shows(ctx, j, v)
}

// Close implements [impair.Hands].
func (h *hands) Close() {
	h.here.Close()
	h.mu.Lock()
	defer h.mu.Unlock()
	for name, l := range h.lines {
		l.close()
		delete(h.lines, name)
	}
}

// named is by what a job is known, of which there is one at a time.
func named(j impair.Job) string { return "impair-" + j.Impairment.Kind + "-" + j.Target.Instance }

// keep holds the line to who does a job.
func (h *hands) keep(j impair.Job, l *line) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines[named(j)] = l
}

// drop lets go of the line to who does a job, or has done it.
func (h *hands) drop(j impair.Job) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if l := h.lines[named(j)]; l != nil {
		l.close()
		delete(h.lines, named(j))
	}
}

// hold has a job done over a line, and keeps the line as long as it is to last.
func (h *hands) hold(ctx context.Context, j impair.Job, l *line, save func(json.RawMessage) error) error {
	if err := l.say(ctx, func(t *impair.Talk) error { return t.Do(j, save) }); err != nil {
		l.close()
		return err
	}
	h.keep(j, l)
	return nil
}

// target is an instance as those see it whom hands put beside it. Of one that is
// down, there is nothing.
func (m *machine) target(ctx context.Context, instance string) (impair.Target, error) {
	t := m.still(instance)
	if _, ok := m.desc.Layout.Own[instance]; !ok {
		return t, fmt.Errorf("unknown instance %q", instance)
	}
	v, err := m.daemon.inspect(ctx, m.container(instance))
	if errors.Is(err, errUnknown) {
		return t, nil
	}
	if err != nil || !v.Running {
		return t, err
	}
	return m.alive(instance, v), nil
}

// still is target for an instance that is down: a disk outlives its lives.
func (m *machine) still(instance string) impair.Target {
	t := impair.Target{Instance: instance}
	if m.desc.Disked(instance) {
		t.Disk = m.disk(instance)
	}
	return t
}

// alive is target for an instance that runs as v shows.
func (m *machine) alive(instance string, v view) impair.Target {
	t := m.still(instance)
	t.PID, t.Start, t.Device, t.Spared = firstProcess, uint64(v.Started.UnixNano()), cell.Device, m.desc.Spared
	return impair.Beside(t)
}

// firstProcess is what a container's own process is to those in the container.
const firstProcess = 1
