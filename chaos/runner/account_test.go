package runner_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/runner"
	"github.com/bedlamlab/bedlam/deploy"
)

// told is a harm that can say which requests it met.
type told struct {
	*harm
	err error
}

func (t told) Account(context.Context, deploy.System) (string, error) { return "a b", t.err }
func (told) Recall(string) error                                      { return nil }

// What a fault has met is written down once it is lifted; one that cannot say is
// no reason to stop.
func TestAccounts(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{{nil, 1}, {errors.New("the relay has gone"), 0}} {
		s := &stage{}
		es := []chaos.ScheduledExperiment{{Name: "one", Faults: []chaos.Resolved{{ID: "one/1", Action: "x"}}}}
		got, err := play(t, s, es, func(o *runner.Options) {
			o.Build = func(r chaos.Resolved) (chaos.Fault, error) { return told{&harm{s, r}, c.err}, nil }
		})
		if err != nil || strings.Count(got, "accounted        one/1  a b") != c.want || strings.Count(got, "lift-proven") != 1 {
			t.Errorf("%v: %v\n%s", c.err, err, got)
		}
	}
}
