package fault

import (
	"context"
	"fmt"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	kernel "github.com/bedlamlab/bedlam/deploy/impair"
	"github.com/bedlamlab/bedlam/observability/collector"
)

// packetLoss throws away a share of what arrives at instances.
type packetLoss struct {
	impaired
	Loss kernel.Loss `json:"loss"`
}

func init() {
	register(Kind{Name: kernel.PacketLoss, On: onInstances, Needs: impairs,
		Doc:    "Loses a share of the packets that arrive at an instance; TCP sends them again, later.",
		Params: "loss: {loss: percent, 0.5 to 100}",
		build: byKernel(kernel.PacketLoss, "loss", func() (chaos.Fault, *impaired, validator) {
			f := &packetLoss{}
			return f, &f.impaired, &f.Loss
		})})
}

// Probe wants that the share of every victim's echoes is lost which was asked
// for, and none of an instance that is not harmed; after the lift, none at all.
func (f *packetLoss) Probe(ctx context.Context, s deploy.System, injected bool) (string, error) {
	if !injected {
		return f.whole(ctx, s)
	}
	share := f.Loss.Loss.Share()
	all, err := f.echoes(ctx, s, true, sampleOf(share), echoPatience, func(e, _ Echoes) error {
		if !likely(e.Lost(), e.Sent, share) {
			return fmt.Errorf("%d of %d packets are lost, want %g %% of them", e.Lost(), e.Sent, f.Loss.Loss)
		}
		return nil
	})
	lost, sent := total(all)
	return fmt.Sprintf("%d of %d packets are lost", lost, sent), err
}

// sentAgain is how long TCP waits at the least before it sends a lone segment
// again that nobody has acknowledged.
const sentAgain = 200 * time.Millisecond

// Met reports a call to or by one of the victims that failed, or that lasted as
// long as a packet which had to be sent again.
func (f *packetLoss) Met(s collector.Span) bool {
	return f.called(s) && (s.Error || s.Duration() >= sentAgain)
}
