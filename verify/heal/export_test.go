package heal

import (
	"context"
	"errors"

	"github.com/moby/moby/client"
)

// Unhealed cuts a run short together with its guard and returns what is left
// of it before and after the next start. Nothing stays either way.
func (g *Ground) Unhealed(ctx context.Context, m Moment) (before, after []string, err error) {
	s, err := g.open(m)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.await(ctx, m); err != nil {
		return nil, nil, err
	}
	if err := s.strike(KillBoth, true); err != nil {
		return nil, nil, err
	}
	s.lookNoMore()
	before = s.left()
	out, err := s.bedlam("heal").CombinedOutput()
	if err != nil {
		return before, nil, errors.New(string(out))
	}
	after, _ = s.settle(ctx, s.watch.began, patience)
	return before, after, nil
}

// CutShort ends the proof itself at a moment and returns what is left of its run
// then, and when the proof has ended.
func (g *Ground) CutShort(ctx context.Context, m Moment) (before, after []string, err error) {
	s, err := g.open(m)
	if err != nil {
		return nil, nil, err
	}
	err = s.await(ctx, m)
	s.lookNoMore()
	before = s.left()
	err = errors.Join(err, s.close())
	return before, s.left(), err
}

// Bystanders returns the process ids of those that must not be harmed.
func (g *Ground) Bystanders() []int {
	var all []int
	for _, cmd := range g.bystanders {
		all = append(all, cmd.Process.Pid)
	}
	return all
}

// Harmed says which bystanders were harmed.
func (g *Ground) Harmed() []string { return g.harmed() }

// HarmContainers pauses the first bystanding container and removes the second.
func (g *Ground) HarmContainers(ctx context.Context) error {
	api, all := g.docker.api, g.docker.bystanders
	_, err := api.ContainerPause(ctx, all[0].id, client.ContainerPauseOptions{})
	if err == nil {
		_, err = api.ContainerRemove(ctx, all[1].id, client.ContainerRemoveOptions{Force: true})
	}
	return err
}

// PrepareIn is Prepare in a folder of one's own.
var PrepareIn = prepareIn

// Asks returns how a fault is asked for.
var Asks = asks

// Left is what a watch over that ground sees.
func Left(ground string) ([]string, error) {
	w, err := newWatch(ground, lookOften)
	if err != nil {
		return nil, err
	}
	return w.left(), nil
}

// Bell rings for writes to the last of some paths, until end is called.
func Bell(paths ...string) (rings <-chan struct{}, end func() error, err error) {
	b, err := newBell(paths...)
	if err != nil {
		return nil, nil, err
	}
	return b.rings, b.close, nil
}
