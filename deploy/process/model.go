package process

import (
	"reflect"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/supervise"
)

// Model implements [deploy.Modeler].
func (e *Engine) Model() deploy.Model { return deploy.Model{reflect.TypeFor[*supervise.System]()} }
