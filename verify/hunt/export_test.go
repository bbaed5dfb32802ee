package hunt

import (
	"context"

	"github.com/bedlamlab/bedlam"
	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/defects"
)

// Hold holds a result against what its subject should have come to.
var Hold = hold

// With makes runs and builds of the test's own.
func (o Options) With(run func(context.Context, bedlam.Options) (chaos.Result, error)) Options {
	o.run = run
	o.build = func(context.Context, defects.Patch, string, string) error { return nil }
	return o
}
