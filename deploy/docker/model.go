package docker

import (
	"reflect"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/supervise"
)

// Model implements [deploy.Modeler]: what there is if instances are told names.
func (e *Engine) Model() deploy.Model {
	return deploy.Model{reflect.TypeFor[resolvable](), reflect.TypeFor[*supervise.System]()}
}

// Model implements [deploy.Modeler]: what there is if the file names the
// system's stores.
func (e *Attached) Model() deploy.Model {
	return deploy.Model{reflect.TypeFor[guestSystem](), reflect.TypeFor[deploy.Databaser]()}
}
