package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/observability/collector"
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
	return f, f.shape(r, "bandwidth", f.Bandwidth)
}

// kept is the least share of the time by which the limit must show: a relay
// makes up for a little lateness.
const kept = 0.85

// Probe moves as many bytes over every link as it may carry in a quarter of a
// second and wants that to take as long; see [links.drag]. A limit so high that
// real servers need as long without it is not proven, and it says so.
func (f *bandwidth) Probe(ctx context.Context, s deploy.System, injected bool) (string, error) {
	n := int(min(float64(f.Bandwidth.Rate)*stretch.Seconds(), mostProbed))
	if f.Bandwidth.Rate.Time(n) < leastStretch {
		if !injected {
			return f.answers(ctx, s)
		}
		return "", fmt.Errorf("INCONCLUSIVE: a limit of %s cannot be told: the probe moves %d bytes, as much as servers take in one go, and at %s they take %s, at %s or below at least %s",
			f.Bandwidth.Rate, n, f.Bandwidth.Rate, round(f.Bandwidth.Rate.Time(n)), provable(mostProbed), leastStretch)
	}
	due := func(moved load) time.Duration { return f.Bandwidth.Rate.Time(f.counted(moved)) }
	all, err := f.drag(ctx, s, injected, n, func(moved load) time.Duration { return time.Duration(kept * float64(due(moved))) }, due)
	least, most := deploy.MostRate, deploy.Rate(0)
	for _, d := range all {
		rate := deploy.Rate(float64(f.counted(d.moved)) / d.took.Seconds())
		least, most = min(least, rate), max(most, rate)
	}
	text := fmt.Sprintf("%s %d KB/s", count(len(f.rule.Links), "link carries", "links carry"), least/1000)
	if least/1000 < most/1000 {
		text = fmt.Sprintf("%s to %d KB/s", strings.TrimSuffix(text, " KB/s"), most/1000)
	}
	return text, err
}

// provable is the highest rate at which n bytes take long enough.
func provable(n int) deploy.Rate { return deploy.Rate(float64(n) / leastStretch.Seconds()) }

// Met reports a failed call over one of the links, and one that lasted as long
// as a full Ethernet segment takes at the rate: most calls carry less, so that
// one which lasted so long has waited for the link.
func (f *bandwidth) Met(s collector.Span) bool {
	const segment = 1460 // bytes
	return f.crosses(s) && (s.Error || s.Duration() >= f.Bandwidth.Rate.Time(segment))
}
