package fault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/topology"
)

// slicer cuts what links carry into small pieces with a pause between them.
type slicer struct {
	links
	AverageSize   int               `json:"average_size"`
	SizeVariation int               `json:"size_variation,omitempty"`
	Delay         topology.Duration `json:"delay"`
}

func init() {
	register(Kind{Name: "slicer", On: onEdges, Needs: needs[deploy.Shaper](),
		Doc: "Cuts what an edge carries into small pieces, each sent on its own, with a delay between them.",
		Params: "average_size: 64, bytes below 65536; size_variation: 0, less than average_size; delay: 10ms; direction: to|from|both; " +
			"together not less than 1KB/s, nor more than a probe can tell",
		build: newSlicer})
}

func newSlicer(r chaos.Resolved) (chaos.Fault, error) {
	f := &slicer{}
	if err := decode(r.Args, f); err != nil {
		return nil, err
	}
	switch {
	case f.AverageSize < 1 || f.AverageSize > 1<<16-1:
		return nil, errors.New("average_size must be from 1 to 65535 bytes")
	case f.SizeVariation < 0 || f.SizeVariation >= f.AverageSize:
		return nil, errors.New("size_variation must be from 0 to less than average_size")
	case f.Delay <= 0 || f.Delay > longest:
		return nil, fmt.Errorf("delay must be more than 0 and at most %s", longest)
	}
	// Whoever is slower is cut off, for which there are other faults.
	if pace := float64(f.AverageSize) / f.Delay.D().Seconds(); pace < float64(deploy.LeastRate) {
		return nil, fmt.Errorf("%d bytes every %s are less than %s, at which nothing arrives within a timeout", f.AverageSize, f.Delay, deploy.LeastRate)
	}
	if least := f.floor(load{to: mostProbed, from: mostProbed}); least < leastStretch {
		return nil, fmt.Errorf("%d bytes every %s cannot be told from an unharmed link: the probe's %d bytes take %s, and want at least %s",
			f.AverageSize, f.Delay, mostProbed, least, leastStretch)
	}
	return f, f.shape(r, "slicer", map[string]any{"average_size": f.AverageSize, "size_variation": f.SizeVariation, "delay": f.Delay})
}

// largest is the most that one piece holds, bytes.
func (f *slicer) largest() int { return f.AverageSize + f.SizeVariation }

// floor is the least time that so many bytes take in pieces.
func (f *slicer) floor(moved load) time.Duration {
	return time.Duration(max(0, ceil(f.counted(moved), f.largest())-1)) * f.Delay.D()
}

// Probe moves some bytes over every link and wants that to take at least the
// delays between that many pieces; see [links.drag].
func (f *slicer) Probe(ctx context.Context, s deploy.System, injected bool) (string, error) {
	n := min((int(stretch/f.Delay.D())+1)*f.largest(), mostProbed)
	n = max(n, 3*f.largest()) // two delays, however long one is
	all, err := f.drag(ctx, s, injected, n, f.floor, f.floor)
	var slowest dragged
	for _, d := range all {
		if d.took > slowest.took {
			slowest = d
		}
	}
	return fmt.Sprintf("%s %d bytes in %s at the slowest", count(len(f.rule.Links), "link carries", "links carry"), f.counted(slowest.moved), round(slowest.took)), err
}

// Met reports a failed call over one of the links, and one that lasted as long
// as the shortest answers take in pieces.
func (f *slicer) Met(s collector.Span) bool {
	// A head, a few numbers and a trailer of HTTP/2; an answer of HTTP/1 has more.
	const least = 128 // bytes
	return f.crosses(s) && (s.Error || s.Duration() >= max(f.Delay.D(), f.floor(load{to: least, from: least})))
}
