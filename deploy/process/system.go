package process

import (
	"context"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/impair"
	"github.com/bedlamlab/bedlam/deploy/supervise"
)

// A system has the powers that all have, and those of this machine's kernel.
type system struct {
	supervise.Powers
	*impair.Plane
	machine machine
}

var (
	_ deploy.Impairer = system{}
	_ deploy.Filer    = system{}
)

// Unwrap lets what its inner system says of itself be heard.
func (s system) Unwrap() deploy.System { return s.Powers }

// An exhaustible system is one whose instances have a limit on their memory.
type exhaustible struct{ system }

var _ deploy.Exhauster = exhaustible{}

// Exhaust implements [deploy.Exhauster].
func (s exhaustible) Exhaust(ctx context.Context, instance string) error {
	return s.End(ctx, "exhausting", instance, s.machine.exhaust)
}

// system returns s with all the powers that there are on m.
func (m machine) system(s supervise.Powers) deploy.System {
	all := system{s, m.plane, m}
	switch {
	case m.desc.NameServer != "":
		return named{exhaustible{all}}
	case m.desc.Cells:
		return exhaustible{all}
	}
	return all
}
