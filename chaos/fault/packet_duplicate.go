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

// packetDuplicate has a share of what arrives at instances arrive twice.
type packetDuplicate struct {
	impaired
	Duplicate kernel.Duplicate `json:"duplicate"`
}

func init() {
	register(Kind{Name: kernel.PacketDuplicate, On: onInstances, Needs: impairs,
		Doc:    "Has a share of the packets that arrive at an instance arrive twice; TCP hides it from the programs.",
		Params: "duplicate: {duplicate: percent, 0.5 to 100}",
		build: byKernel(kernel.PacketDuplicate, "duplicate", func() (chaos.Fault, *impaired, validator) {
			f := &packetDuplicate{impaired: impaired{linger: 100 * time.Millisecond}} // a copy comes within microseconds of the other
			return f, &f.impaired, &f.Duplicate
		})})
}

// Probe wants that the share of every victim's echoes comes back twice which
// was asked for, and none from an instance that is not harmed; after the lift,
// none at all.
func (f *packetDuplicate) Probe(ctx context.Context, s deploy.System, injected bool) (string, error) {
	share := f.Duplicate.Duplicate.Share()
	all, err := f.echoes(ctx, s, injected, sampleOf(share), echoPatience, func(e, control Echoes) error {
		switch {
		case control.Twice > 0:
			return fmt.Errorf("so do %d of those from an instance that is not harmed: that it is this fault's doing cannot be told", control.Twice)
		case injected && !likely(e.Twice, e.Sent, share):
			return fmt.Errorf("%d of %d packets come twice, want %g %% of them", e.Twice, e.Sent, f.Duplicate.Duplicate)
		case !injected && e.Twice > 0:
			return fmt.Errorf("%d of %d packets still come twice", e.Twice, e.Sent)
		}
		return nil
	})
	twice, sent := 0, 0
	for _, e := range all {
		twice, sent = twice+e.Twice, sent+e.Sent
	}
	return fmt.Sprintf("%d of %d packets come twice", twice, sent), err
}

// Met reports a call to or by one of the victims: each is made of packets, and
// no program hears of those that came twice.
func (f *packetDuplicate) Met(s collector.Span) bool { return f.called(s) }
