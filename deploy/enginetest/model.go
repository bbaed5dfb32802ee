package enginetest

import (
	"reflect"
	"testing"

	"github.com/bedlamlab/bedlam/deploy"
)

// modelIsTrue holds what an engine says of its systems against one that runs.
func modelIsTrue(t *testing.T, f *fixture, e deploy.Engine) {
	m, ok := e.(deploy.Modeler)
	if !ok {
		t.Skip("the engine says nothing of its systems while none runs")
	}
	for _, agrees := range []func(*testing.T, *fixture, deploy.Model){
		agree[deploy.Inspector], agree[deploy.Killer], agree[deploy.Exhauster], agree[deploy.Impairer], agree[deploy.Stopper], agree[deploy.Pauser],
		agree[deploy.Holder], agree[deploy.Shaper], agree[deploy.Databaser], agree[deploy.Insider], agree[Levitator],
	} {
		agrees(t, f, m.Model())
	}
}

func agree[P any](t *testing.T, f *fixture, m deploy.Model) {
	if _, err := deploy.Power[P](f); deploy.Models[P](m) != (err == nil) {
		t.Errorf("%s: the model says %t, the system: %v", reflect.TypeFor[P]().Name(), deploy.Models[P](m), err)
	}
}
