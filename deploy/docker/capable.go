package docker

import (
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/supervise"
)

var (
	_ deploy.Capable = (*Engine)(nil)
	_ deploy.Capable = (*Attached)(nil)
)

// Powers implements [deploy.Capable].
func (e *Engine) Powers() deploy.System {
	m := &machine{}
	return exhaustible{supervise.Attach(supervise.Files{}, supervise.Description{}, m, nil), m}
}

// Powers implements [deploy.Capable].
func (e *Attached) Powers() deploy.System {
	return e.powers(&orphans{}, &guests{stores: e.file.Stores})
}
