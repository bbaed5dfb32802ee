package process

import (
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/supervise"
)

var _ deploy.Capable = (*Engine)(nil)

// Powers implements [deploy.Capable].
func (e *Engine) Powers() deploy.System {
	return supervise.Attach(supervise.Files{}, supervise.Description{}, machine{}, nil)
}
