package relay

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/topology"
)

// longest bounds a latency and its jitter: nothing in a run waits longer than
// some minutes, so more than this is a wrong unit.
const longest = 10 * time.Minute

func init() {
	register(Kind{
		Name: "latency",
		Doc: "Delays each direction that the rule names, so that both adds it twice to a round trip. " +
			"Setting up a connection is delayed too. The order of bytes is kept, and chunks wait side by side, not one after the other.",
		Args: []Arg{
			{Name: "latency", Type: "duration", Default: "0s", Doc: "the mean delay, up to 10m"},
			{Name: "jitter", Type: "duration", Default: "0s", Doc: "how far a delay strays: the most of uniform, the standard deviation of the others; no delay is below 0"},
			{Name: "correlation", Type: "percent", Default: "0", Doc: "how much a delay resembles the one before it on its connection, 0 to 100"},
			{Name: "distribution", Type: "uniform|normal|pareto|paretonormal", Default: "uniform", Doc: "of the jitter; pareto has the long tail of a busy network"},
		},
	}, decodeLatency)
}

// latency delays.
type latency struct {
	Latency      topology.Duration `json:"latency"`
	Jitter       topology.Duration `json:"jitter"`
	Correlation  percent           `json:"correlation"`
	Distribution string            `json:"distribution"`

	stray func(z float64, draw *rand.Rand) float64
}

// A percent is 0 to 100, a number or, as Chaos Mesh writes it, a text.
type percent = deploy.Percent

// Each distribution turns z, a standard normal number that carries the
// correlation, into a deviation in units of the jitter. Working on z instead
// of on the deviation itself leaves the shape of the distribution alone
// whatever the correlation.
var distributions = map[string]func(z float64, draw *rand.Rand) float64{
	"":             uniform,
	"uniform":      uniform,
	"normal":       func(z float64, _ *rand.Rand) float64 { return z },
	"pareto":       func(z float64, _ *rand.Rand) float64 { return pareto(z) },
	"paretonormal": paretonormal,
}

func uniform(z float64, _ *rand.Rand) float64 { return math.Erf(z / math.Sqrt2) }

// pareto has shape 3, the smallest whole one with a finite deviation, moved and
// scaled to mean 0 and deviation 1: its mean is 3/2, its variance 3/4.
func pareto(z float64) float64 {
	tail := math.Erfc(z/math.Sqrt2) / 2
	return (math.Pow(tail, -1.0/3) - 1.5) / math.Sqrt(0.75)
}

// paretonormal mixes a quarter of normal into pareto, as netem's table of that
// name does, and keeps the deviation at 1.
func paretonormal(z float64, draw *rand.Rand) float64 {
	return (0.25*draw.NormFloat64() + 0.75*pareto(z)) / math.Hypot(0.25, 0.75)
}

func decodeLatency(r deploy.Rule) (harm, error) {
	var h latency
	if err := decodeArgs(r.Args, &h); err != nil {
		return nil, err
	}
	switch l, j := h.Latency.D(), h.Jitter.D(); {
	case l < 0 || l > longest:
		return nil, fmt.Errorf("latency %v is not within 0s and %v", l, longest)
	case j < 0 || j > longest:
		return nil, fmt.Errorf("jitter %v is not within 0s and %v", j, longest)
	case l == 0 && j == 0:
		return nil, errors.New("neither latency nor jitter is given: the rule would do nothing")
	}
	var known bool
	if h.stray, known = distributions[h.Distribution]; !known {
		return nil, fmt.Errorf("unknown distribution %.40q (want uniform, normal, pareto or paretonormal)", h.Distribution)
	}
	return h, nil
}

func (h latency) meet(draws func(deploy.Direction) *rand.Rand) effect {
	return effect{
		to:   &delay{latency: h, draw: draws(deploy.To)},
		from: &delay{latency: h, draw: draws(deploy.From)},
	}
}

// A delay is latency on one direction of one connection.
type delay struct {
	latency
	draw   *rand.Rand
	z      float64 // the draw before
	primed bool
}

func (d *delay) shape(c chunk, emit func(chunk)) bool {
	wait := d.next()
	c.at = c.at.Add(wait)
	emit(c)
	return wait > 0
}

// next draws the next delay.
func (d *delay) next() time.Duration {
	if d.Jitter == 0 {
		return d.Latency.D()
	}
	z := d.draw.NormFloat64()
	if rho := float64(d.Correlation) / 100; d.primed {
		z = rho*d.z + math.Sqrt(1-rho*rho)*z
	}
	d.z, d.primed = z, true
	wait := float64(d.Latency) + float64(d.Jitter)*d.stray(z, d.draw)
	// A tail has no end; a delay has one: ten deviations, or an hour and
	// forty minutes at the most.
	return time.Duration(min(max(wait, 0), float64(d.Latency)+10*float64(d.Jitter)))
}
