package deploy

import (
	"reflect"
	"slices"
)

// A Model is what can be said of an engine's systems while none runs: the types
// that they are made of, the outermost first. A machine may still lack what one
// of them offers, which only a running system knows (see [Power]).
type Model []reflect.Type

// A Modeler is an engine that tells what its systems can do before there is one.
type Modeler interface {
	Model() Model
}

// Models reports whether systems of that model have the power P.
func Models[P any](m Model) bool {
	return slices.ContainsFunc(m, func(t reflect.Type) bool { return t.Implements(reflect.TypeFor[P]()) })
}
