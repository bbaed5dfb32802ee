package impair

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
)

// undoTime bounds what is undone although the caller's context is done: some
// programs of the system and the end of a process.
const undoTime = 10 * time.Second

// A Plane does impairments to the instances of one run. Its methods may be
// called at once.
type Plane struct {
	folder string
	find   func(ctx context.Context, instance string) (Target, error)
	hands  Hands

	mu sync.Mutex // one thing at a time
}

var _ deploy.Impairer = (*Plane)(nil)

// New returns the plane over instances of this machine, whose records stand in
// folder, which need not exist yet. Holders are started from the bedlam program
// at that path. find says where an instance is now; one that is down has no PID,
// but what outlives it.
func New(folder, bedlam string, find func(ctx context.Context, instance string) (Target, error)) *Plane {
	return Over(folder, find, Local(folder, bedlam))
}

// Over is New for instances that only those hands can reach.
func Over(folder string, find func(ctx context.Context, instance string) (Target, error), hands Hands) *Plane {
	return &Plane{folder: folder, find: find, hands: hands}
}

// Close ends the holders that this process has started. What they held is
// lifted; what else was done stays, for whoever sweeps.
func (p *Plane) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hands.Close()
}

// CanImpair implements [deploy.Impairer].
func (p *Plane) CanImpair(ctx context.Context, i deploy.Impairment) error {
	if _, err := Build(i); err != nil {
		return err
	}
	for _, instance := range i.Instances {
		t, err := p.find(ctx, instance)
		if err == nil {
			err = p.hands.Can(ctx, Job{Impairment: i, Target: t})
		}
		if err != nil {
			return on(instance, err)
		}
	}
	return nil
}

// Impair implements [deploy.Impairer]. An instance can have each kind once.
func (p *Plane) Impair(ctx context.Context, i deploy.Impairment) error {
	fail := func(err error) error { return fmt.Errorf("impairing by %s (%s): %w", i.ID, i.Kind, err) }
	if i.ID == "" || len(i.Instances) == 0 {
		return fail(errors.New("an impairment has an id and instances"))
	}
	if err := p.CanImpair(ctx, i); err != nil {
		return fail(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	all, err := p.records("")
	if err != nil {
		return fail(err)
	}
	for _, r := range all {
		if r.Impairment.ID != i.ID && r.Impairment.Kind == i.Kind && slices.Contains(i.Instances, r.Target.Instance) {
			return fail(fmt.Errorf("%s has one of this kind already, by %s", r.Target.Instance, r.Impairment.ID))
		}
	}
	if err := p.repair(ctx, i.ID); err != nil {
		return fail(err)
	}
	if err := os.MkdirAll(filepath.Dir(p.path(i.ID, "")), 0o700); err != nil {
		return fail(err)
	}
	err = each(i.Instances, func(instance string) error {
		t, err := p.find(ctx, instance)
		r := record{Job{Impairment: i, Target: t}, p.path(i.ID, instance)}
		if err == nil {
			err = r.write()
		}
		if err == nil {
			err = p.apply(ctx, r)
		}
		return on(instance, err)
	})
	if err != nil {
		undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTime)
		defer cancel()
		return fail(errors.Join(err, p.repair(undo, i.ID)))
	}
	return nil
}

// apply does what r says and returns when it shows.
func (p *Plane) apply(ctx context.Context, r record) error {
	return p.hands.Do(ctx, r.Job, func(before json.RawMessage) error {
		r.Before = before
		return r.write()
	})
}

// Repair implements [deploy.Impairer].
func (p *Plane) Repair(ctx context.Context, id string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.repair(ctx, id); err != nil {
		return fmt.Errorf("repairing %s: %w", id, err)
	}
	return nil
}

func (p *Plane) repair(ctx context.Context, id string) error {
	all, err := p.records(id)
	if err != nil {
		return err
	}
	return each(all, func(r record) error { return on(r.Target.Instance, p.undo(ctx, r)) })
}

// undo takes away what r says, and strikes it out when it does not show any
// more.
func (p *Plane) undo(ctx context.Context, r record) error {
	t, err := p.find(ctx, r.Target.Instance)
	if err != nil {
		return err
	}
	if err := p.hands.Undo(ctx, Job{r.Impairment, t, r.Before}); err != nil {
		return err
	}
	return r.strike()
}

// Impairments implements [deploy.Impairer].
func (p *Plane) Impairments(ctx context.Context, id string) ([]deploy.Impairment, error) {
	all, err := p.records(id)
	if err != nil {
		return nil, fmt.Errorf("reading the impairments: %w", err)
	}
	shows := make([]bool, len(all))
	places := make([]int, len(all))
	for at := range places {
		places[at] = at
	}
	err = each(places, func(at int) (err error) {
		if shows[at], err = p.shows(ctx, all[at]); err != nil {
			err = fmt.Errorf("reading the impairments: %s on %s: %w", all[at].Impairment.ID, all[at].Target.Instance, err)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	var shown []deploy.Impairment
	for n, r := range all {
		if !shows[n] {
			continue
		}
		at := slices.IndexFunc(shown, func(i deploy.Impairment) bool { return i.ID == r.Impairment.ID })
		if at < 0 {
			at = len(shown)
			shown = append(shown, r.Impairment)
			shown[at].Instances = nil
		}
		shown[at].Instances = append(shown[at].Instances, r.Target.Instance)
	}
	return shown, nil
}

func (p *Plane) shows(ctx context.Context, r record) (bool, error) {
	t, err := p.find(ctx, r.Target.Instance)
	if err != nil {
		return false, err
	}
	return p.hands.Shows(ctx, Job{r.Impairment, t, r.Before})
}

// Started gives a new life of an instance the impairments that it should have
// and does not show, before it has done anything. On error it does not have
// them all, and should not live.
func (p *Plane) Started(ctx context.Context, t Target) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	all, err := p.records("")
	if err != nil {
		return err
	}
	var own []record
	for _, r := range all {
		if r.Target.Instance == t.Instance {
			own = append(own, r)
		}
	}
	return each(own, func(r record) error {
		if err := p.again(ctx, r, t); err != nil {
			return fmt.Errorf("%s (%s) again on %s: %w", r.Impairment.ID, r.Impairment.Kind, t.Instance, err)
		}
		return nil
	})
}

func (p *Plane) again(ctx context.Context, r record, t Target) error {
	if shows, err := p.hands.Shows(ctx, Job{r.Impairment, t, r.Before}); err != nil || shows {
		return err
	}
	if !r.stands() {
		return nil
	}
	r.Target = t
	if err := r.write(); err != nil {
		return err
	}
	err := p.apply(ctx, r)
	if !r.stands() { // another process has lifted it meanwhile: what we did is to go
		err = p.undo(ctx, r)
	}
	return err
}

// each calls do for all at once, also after an error, so that one that cannot
// be put right does not keep the others from it.
func each[T any](things []T, do func(T) error) error {
	errs := make([]error, len(things))
	var all sync.WaitGroup
	for at, thing := range things {
		all.Go(func() { errs[at] = do(thing) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// on says of which instance an error is.
func on(instance string, err error) error {
	if err != nil {
		err = fmt.Errorf("%s: %w", instance, err)
	}
	return err
}
