package enginetest

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/topology"
)

func (s suite) downLeavesNothing(t *testing.T) {
	f := s.up(t)
	addresses := f.addresses(t)
	if p, err := deploy.Power[deploy.Pauser](f); err == nil { // what is frozen must go too
		if err := errors.Join(p.Pause(within(t), "front-1"), p.Pause(within(t), "pg-1")); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // idempotent
		if err := f.Down(within(t)); err != nil {
			t.Fatal(err)
		}
	}
	empty(t, f.plan.Scratch)
	s.nothingIsLeft(t, f.plan)
	for _, a := range addresses {
		refused(t, a)
	}
	for _, in := range f.Topology().Instances() {
		if _, err := os.Stat(filepath.Join(f.plan.Logs, in.Name+".log")); err != nil {
			t.Errorf("%s left no log: %v", in.Name, err)
		}
	}
	if _, err := s.newEngine(t).Attach(within(t), f.plan.Scratch); err == nil {
		t.Error("one can attach to a system that is down")
	}
}

func (s suite) upFailsCleanly(t *testing.T) {
	for _, c := range []struct{ name, says string }{
		{"InstanceDies", "the oven is cold"},
		{"NoProgram", "nowhere"},
		{"NoRelay", "nowhere"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := s.plan(t)
			switch c.name {
			case "InstanceDies":
				p.Topology.Services[1].Settings = map[string]string{"serve": "grpc", "fail": c.says}
			case "NoProgram":
				p.Shop = "/nowhere/shop"
			case "NoRelay":
				p.Bedlam = "/nowhere/bedlam"
			}
			system, err := s.newEngine(t).Up(within(t), p)
			if err == nil {
				system.Down(within(t))
				t.Fatal("Up is no error")
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("the error does not say why (want %q in it): %v", c.says, err)
			}
			empty(t, p.Scratch)
			s.nothingIsLeft(t, p)
		})
	}
}

// upCancelled gives up at every third event of a start in turn.
func (s suite) upCancelled(t *testing.T) {
	for at := 1; ; at += 3 {
		p := s.plan(t)
		ctx, cancel := context.WithCancel(within(t))
		events := 0
		p.Observe = func(deploy.Event) {
			if events++; events == at {
				cancel()
			}
		}
		system, err := s.newEngine(t).Up(ctx, p)
		cancel()
		if err == nil {
			if err := system.Down(within(t)); err != nil {
				t.Error(err)
			}
			if at == 1 {
				t.Error("a start that was cancelled at its first event is no error")
			}
			return // all of a start's events have had their turn
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("cancelled at event %d: got %v, want context.Canceled in it", at, err)
		}
		empty(t, p.Scratch)
		s.nothingIsLeft(t, p)
	}
}

func (s suite) sideBySide(t *testing.T) {
	a, b := s.up(t), s.up(t)
	taken := map[string]bool{}
	for _, address := range a.addresses(t) {
		taken[address] = true
	}
	for _, address := range b.addresses(t) {
		if taken[address] {
			t.Errorf("both have %s", address)
		}
	}
	if p, err := deploy.Power[deploy.Shaper](a); err == nil {
		if err := p.Shape(within(t), rule("enginetest/a", "partition", "", topology.Link{From: loader, To: "front-1"})); err != nil {
			t.Fatal(err)
		}
	}
	// The end of one, and the sweeping of it, is nothing to the other.
	if err := a.Down(within(t)); err != nil {
		t.Fatal(err)
	}
	if err := s.newEngine(t).Sweep(within(t), a.plan.Run, a.plan.Scratch); err != nil {
		t.Fatal(err)
	}
	for _, in := range b.Topology().Instances() {
		if st := b.inspect(t, in.Name); st.Starts != 1 || !st.Ready {
			t.Errorf("%s of the other is %+v", in.Name, st)
		}
	}
	if err := get(within(t), b.address(t, loader, "front-1"), "/who", nil); err != nil {
		t.Error(err)
	}
}

func (s suite) scratchMustBeEmpty(t *testing.T) {
	p := s.plan(t)
	mine := filepath.Join(p.Scratch, "mine")
	if err := os.WriteFile(mine, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if system, err := s.newEngine(t).Up(within(t), p); err == nil {
		system.Down(within(t))
		t.Error("Up takes a folder that is not empty")
	}
	if err := s.newEngine(t).Sweep(within(t), p.Run, p.Scratch); err == nil {
		t.Error("Sweep takes a folder that no engine has marked as its own")
	}
	if _, err := os.Stat(mine); err != nil {
		t.Errorf("somebody else's file is gone: %v", err)
	}
}

// sweepTidiesCache requires that what a dead run was making in the cache goes
// with the run, whether it had marked its folder already or not.
func (s suite) sweepTidiesCache(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("BEDLAM_CACHE", cache)
	half := filepath.Join(cache, "templates", ".15.4-u101-2-1")
	if err := os.MkdirAll(filepath.Join(half, "data"), 0o755); err != nil {
		t.Fatal(err)
	}
	p := s.plan(t)
	if err := s.newEngine(t).Sweep(within(t), p.Run, p.Scratch); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(half); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("half a template is left in the cache: %v", err)
	}
}

// empty requires that dir is there, with nothing in it.
func empty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Error(err)
	}
	for _, e := range entries {
		t.Errorf("%s is left in the scratch folder", e.Name())
	}
}

// nothingIsLeft requires that the machine has nothing of the run any more, but
// for the scratch folder itself.
func (s suite) nothingIsLeft(t *testing.T, p deploy.Plan) {
	t.Helper()
	nobodyStandsIn(t, p.Scratch)
	for _, look := range s.left {
		look(t, p.Run)
	}
}

// nobodyStandsIn requires that no process of this machine has its working
// directory in dir. It looks by itself; where there is no /proc it cannot.
func nobodyStandsIn(t *testing.T, dir string) {
	t.Helper()
	links, _ := filepath.Glob("/proc/[0-9]*/cwd")
	for _, link := range links {
		cwd, err := os.Readlink(link)
		if err == nil && (cwd == dir || strings.HasPrefix(cwd, dir+"/") || cwd == dir+" (deleted)") {
			t.Errorf("process %s still stands in %s", strings.Split(link, "/")[2], cwd)
		}
	}
}
