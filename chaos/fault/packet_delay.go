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

// packetDelay makes what arrives at instances late, packet by packet.
type packetDelay struct {
	impaired
	Delay kernel.Delay `json:"delay"`
}

func init() {
	register(Kind{Name: kernel.PacketDelay, On: onInstances, Needs: impairs,
		Doc:    "Makes each packet that arrives at an instance late; with jitter or reorder, they come in another order.",
		Params: "delay: {latency: 100ms, jitter: 20ms, reorder: percent of the packets that are not late}",
		build: byKernel(kernel.PacketDelay, "delay", func() (chaos.Fault, *impaired, validator) {
			f := &packetDelay{}
			return f, &f.impaired, &f.Delay
		})})
}

// floor is the least that a late packet takes.
func (f *packetDelay) floor() time.Duration { return max(f.Delay.Latency-f.Delay.Jitter, 1).D() }

// Probe wants that every victim's echoes take the latency, but for those that
// are meant to overtake, and that those of an instance which is not harmed take
// less than half of it; after the lift, that most of the victims' do not.
func (f *packetDelay) Probe(ctx context.Context, s deploy.System, injected bool) (string, error) {
	n := 10
	if f.Delay.Reorder > 0 {
		n = sampleOf(min(f.Delay.Reorder.Share(), 1-f.Delay.Reorder.Share()))
	}
	slowest := time.Duration(0)
	all, err := f.echoes(ctx, s, injected, n, (f.Delay.Latency+f.Delay.Jitter).D()+echoPatience, func(e, control Echoes) error {
		late := e.atLeast(f.floor())
		switch {
		case e.Lost() > 0:
			return fmt.Errorf("%d of %d packets do not come back", e.Lost(), n)
		case !injected && late > n/2:
			return fmt.Errorf("%d of %d packets still take %s and more", late, n, f.floor())
		case !injected:
			return nil
		case control.atLeast(f.floor()/2) > n/2:
			return fmt.Errorf("so do those of an instance that is not harmed take %s: that it is this fault's doing cannot be told", round(control.Took[n/2]))
		case f.Delay.Reorder == 0 && late < n:
			return fmt.Errorf("only %d of %d packets take %s and more, the quickest %s", late, n, f.floor(), round(e.Took[0]))
		case f.Delay.Reorder > 0 && !likely(n-late, n, f.Delay.Reorder.Share()):
			return fmt.Errorf("%d of %d packets are not late, want %g %% of them", n-late, n, f.Delay.Reorder)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	for _, e := range all {
		slowest = max(slowest, e.Took[len(e.Took)/2])
	}
	return fmt.Sprintf("half of %d packets to each of %s are back after %s or less", n, count(len(f.victims), "instance", "instances"), round(slowest)), nil
}

// Met reports a call to or by one of the victims that took at least the
// latency, or failed.
func (f *packetDelay) Met(s collector.Span) bool {
	return f.called(s) && (s.Error || s.Duration() >= f.floor())
}
