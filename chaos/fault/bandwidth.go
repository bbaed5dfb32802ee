package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/topology"
)

// bandwidth narrows links: all connections of a link share Rate, each way.
type bandwidth struct {
	links
	Bandwidth limit `json:"bandwidth"`
}

type limit struct {
	Rate deploy.Rate `json:"rate"`
}

func init() {
	register(Kind{Name: "bandwidth", On: onEdges, Needs: needs[deploy.Shaper](),
		Doc: "Limits what each link of an edge carries in a second, all of its connections together.",
		Params: "bandwidth: {rate: 64KB/s}, from 1KB/s, payload without headers; units: " + deploy.RateUnits +
			"; direction: to|from|both, each way has the rate for itself",
		build: newBandwidth})
}

func newBandwidth(r chaos.Resolved) (chaos.Fault, error) {
	f := &bandwidth{}
	if err := decode(r.Args, f); err != nil {
		return nil, err
	}
	if f.Bandwidth.Rate == 0 {
		return nil, errors.New("bandwidth.rate is missing: a limit such as 64KB/s or 1mbit")
	}
	var err error
	f.links, err = shape(r, "bandwidth", f.Bandwidth)
	return f, err
}

const (
	// stretch is how long the probe's own bytes take on an idle narrow link:
	// ten times the lateness that a relay may make up for, and short beside a
	// fault phase.
	stretch = 250 * time.Millisecond
	// mostProbed bounds those bytes: what no server minds in one go. Above
	// 1 MB/s the stretch is shorter for it.
	mostProbed = 256 << 10
	// kept is the least share of the time by which the limit must show.
	kept = 0.85
)

// Probe moves as many bytes over every link as it may carry in a quarter of a
// second and wants that to take as long; the same past the relay, at the same
// callee, must take less than half of it, or it was not the link that was slow.
// After the lift, it must take less than half over the link too.
func (f *bandwidth) Probe(ctx context.Context, s deploy.System, injected bool) (string, error) {
	// The link is shared with the system's own calls, which take their turns.
	// Longer than this a lift must not wait for a proof.
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var mu sync.Mutex
	least, most := deploy.MostRate, deploy.Rate(0)
	err := f.each(func(link topology.Link) error {
		moved, took, err := f.exchange(ctx, s, link.From, link)
		if err != nil {
			return err
		}
		due := f.due(moved)
		if !injected && took > due/2 {
			return fmt.Errorf("still takes %s for %d and %d bytes", round(took), moved.to, moved.from)
		}
		if injected {
			if float64(took) < kept*float64(due) {
				return fmt.Errorf("%d and %d bytes took %s, at %s they take %s", moved.to, moved.from, round(took), f.Bandwidth.Rate, round(due))
			}
			past, direct, err := f.exchange(ctx, s, "", link)
			if err != nil {
				return fmt.Errorf("past the relay: %w", err)
			}
			if direct > f.due(past)/2 {
				return fmt.Errorf("past the relay the same takes %s: that %s is the link's limit cannot be told", round(direct), f.Bandwidth.Rate)
			}
		}
		rate := deploy.Rate(float64(f.counted(moved)) / took.Seconds())
		mu.Lock()
		least, most = min(least, rate), max(most, rate)
		mu.Unlock()
		return nil
	})
	text := fmt.Sprintf("%s %d KB/s", count(len(f.rule.Links), "link carries", "links carry"), least/1000)
	if least/1000 < most/1000 {
		text = fmt.Sprintf("%s to %d KB/s", strings.TrimSuffix(text, " KB/s"), most/1000)
	}
	return text, err
}

// exchange moves the probe's bytes between caller, empty for past the relay,
// and the link's callee.
func (f *bandwidth) exchange(ctx context.Context, s deploy.System, caller string, link topology.Link) (load, time.Duration, error) {
	address, err := s.Address(caller, link.To)
	if err != nil {
		return load{}, 0, err
	}
	protocol, err := protocolOf(s.Topology(), link)
	if err != nil {
		return load{}, 0, err
	}
	dsn, err := login(s, protocol, link.To)
	if err != nil {
		return load{}, 0, err
	}
	n := int(min(float64(f.Bandwidth.Rate)*stretch.Seconds(), mostProbed))
	want := load{to: n}
	if f.rule.Direction == deploy.From {
		want = load{from: n}
	}
	return exchange(ctx, protocol, address, dsn, want)
}

// counted is how much of what was moved had to share the rate.
func (f *bandwidth) counted(moved load) int {
	switch f.rule.Direction {
	case deploy.To:
		return moved.to
	case deploy.From:
		return moved.from
	}
	return max(moved.to, moved.from)
}

// due is how long the limit makes that take.
func (f *bandwidth) due(moved load) time.Duration { return f.Bandwidth.Rate.Time(f.counted(moved)) }

// Met reports a failed call over one of the links, and one that lasted as long
// as a full Ethernet segment takes at the rate: most calls carry less, so that
// one which lasted so long has waited for the link.
func (f *bandwidth) Met(s collector.Span) bool {
	const segment = 1460 // bytes
	return f.crosses(s) && (s.Error || s.Duration() >= f.Bandwidth.Rate.Time(segment))
}
