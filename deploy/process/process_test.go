package process_test

import (
	"testing"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/enginetest"
	"github.com/bedlamlab/bedlam/deploy/process"
)

func TestEngine(t *testing.T) {
	enginetest.Exercise(t, newEngine, enginetest.Plan)
}

func newEngine(t *testing.T) deploy.Engine {
	return process.New(process.Options{})
}
