package fault

import (
	"context"
	"fmt"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	kernel "github.com/bedlamlab/bedlam/deploy/impair"
	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/topology"
)

// packetBandwidth narrows what instances send.
type packetBandwidth struct {
	impaired
	Bandwidth kernel.Bandwidth `json:"bandwidth"`
}

func init() {
	register(Kind{Name: kernel.PacketBandwidth, On: onInstances, Needs: impairs,
		Doc:    "Limits what an instance sends in a second, all of its connections together.",
		Params: "bandwidth: {rate: 64KB/s}, from 1KB/s to 1GB/s, payload without headers; units: " + deploy.RateUnits,
		build: byKernel(kernel.PacketBandwidth, "bandwidth", func() (chaos.Fault, *impaired, validator) {
			f := &packetBandwidth{}
			return f, &f.impaired, &f.Bandwidth
		})})
}

// Probe has every victim send as much as the rate carries in a quarter of a
// second beside what goes at once, and wants that to take as long; the same
// from an instance that is not harmed must take less than half of it. After the
// lift, it must take less than half from the victims too.
func (f *packetBandwidth) Probe(ctx context.Context, s deploy.System, injected bool) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second) // longer than this a lift must not wait for a proof
	defer cancel()
	if injected {
		peer, err := f.peer(s)
		if err != nil {
			return "", err
		}
		moved, took, err := f.hear(ctx, s, peer)
		if err != nil {
			return "", fmt.Errorf("%s, which is not harmed: %w", peer, err)
		}
		if took > f.due(moved)/2 {
			return "", fmt.Errorf("%s, which is not harmed, takes %s for %d bytes: that it is this fault's doing cannot be told", peer, round(took), moved)
		}
	}
	most := deploy.Rate(0)
	err := f.each(func(in string) error {
		moved, took, err := f.hear(ctx, s, in)
		if err != nil {
			return err
		}
		switch due := f.due(moved); {
		case !injected && took > due/2:
			return fmt.Errorf("still takes %s for %d bytes", round(took), moved)
		case injected && float64(took) < kept*float64(due):
			return fmt.Errorf("%d bytes took %s, at %s they take %s", moved, round(took), f.Bandwidth.Rate, round(due))
		}
		most = max(most, deploy.Rate(float64(moved)/took.Seconds()))
		return nil
	})
	return fmt.Sprintf("%s at most %d KB/s", count(len(f.victims), "instance sends", "instances send"), most/1000), err
}

// hear has an instance send the probe's bytes, and returns how many it were.
func (f *packetBandwidth) hear(ctx context.Context, s deploy.System, instance string) (int, time.Duration, error) {
	address, err := s.Address("", instance)
	if err != nil {
		return 0, 0, err
	}
	protocol := protocolAt(s.Topology(), instance)
	dsn, err := login(s, protocol, instance)
	if err != nil {
		return 0, 0, err
	}
	n := int(min(float64(f.Bandwidth.Rate)*stretch.Seconds(), mostProbed)) + f.atOnce()
	moved, took, err := exchange(ctx, protocol, address, dsn, load{from: n})
	return moved.from, took, err
}

// atOnce is how many bytes pass before the limit is met: a full packet, and
// some milliseconds' worth.
func (f *packetBandwidth) atOnce() int {
	return 1600 + int(float64(f.Bandwidth.Rate)*(10*time.Millisecond).Seconds())
}

// due is how long the limit makes n bytes take.
func (f *packetBandwidth) due(n int) time.Duration {
	return f.Bandwidth.Rate.Time(max(0, n-f.atOnce()))
}

// Met reports a failed call to or by one of the victims, and one that lasted as
// long as a full Ethernet segment takes at the rate.
func (f *packetBandwidth) Met(s collector.Span) bool {
	const segment = 1460 // bytes
	return f.called(s) && (s.Error || s.Duration() >= f.Bandwidth.Rate.Time(segment))
}

// protocolAt is what an instance speaks.
func protocolAt(t topology.System, instance string) topology.Protocol {
	for _, in := range t.Instances() {
		if in.Name == instance {
			v, _ := t.Service(in.Service)
			return v.Protocol
		}
	}
	return ""
}
