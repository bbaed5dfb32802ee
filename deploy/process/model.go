package process

import (
	"reflect"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/supervise"
)

// Model implements [deploy.Modeler]: what there is if instances can be isolated
// and are told names, unless they are not to be.
func (e *Engine) Model() deploy.Model {
	inner := reflect.TypeFor[*supervise.System]()
	if e.options.Isolation == None {
		return deploy.Model{reflect.TypeFor[system](), inner}
	}
	return deploy.Model{reflect.TypeFor[named](), inner}
}
