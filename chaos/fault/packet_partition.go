package fault

import (
	"context"
	"fmt"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	kernel "github.com/bedlamlab/bedlam/deploy/impair"
	"github.com/bedlamlab/bedlam/observability/collector"
)

// packetPartition cuts instances off from everybody.
type packetPartition struct {
	impaired
	kernel.Partition
}

func init() {
	register(Kind{Name: kernel.PacketPartition, On: onInstances, Needs: impairs,
		Doc:    "Cuts an instance off silently: no packet arrives, or none leaves, or neither.",
		Params: "way: in|out|both (default both), as the instance sees it",
		build: byKernel(kernel.PacketPartition, "", func() (chaos.Fault, *impaired, validator) {
			f := &packetPartition{}
			return f, &f.impaired, &f.Partition
		})})
}

// Probe wants that nothing comes back from any victim, and everything from an
// instance that is not harmed; after the lift, everything from all.
func (f *packetPartition) Probe(ctx context.Context, s deploy.System, injected bool) (string, error) {
	if !injected {
		return f.whole(ctx, s)
	}
	const n = 10
	_, err := f.echoes(ctx, s, true, n, echoPatience, func(e, _ Echoes) error {
		if len(e.Took) > 0 {
			return fmt.Errorf("%d of %d packets come back", len(e.Took), n)
		}
		return nil
	})
	return fmt.Sprintf("none of %d packets comes back", n*len(f.victims)), err
}

// Met reports a failed call to or by one of the victims.
func (f *packetPartition) Met(s collector.Span) bool { return s.Error && f.called(s) }
