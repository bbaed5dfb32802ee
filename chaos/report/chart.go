package report

import (
	"fmt"
	"math"
	"strings"

	"github.com/bedlamlab/bedlam/chaos"
)

// A chart is a stretch of a run: requests by outcome and latencies over one
// axis of time, the fault phases shaded behind both, lanes of events below.
//
//	  1 ✗        2 ✓          labels of the fault phases
//	▓▓▓▓▓▓▓░░░▓▓▓▓▓▓▓▓        requests per second, worst outcome at the bottom
//	─╱╲──────╱╲───────        p99 and p50, logarithmic
//	 ▼──△                     what was harmed, and when
//	0 s      20 s    40 s
//
// Places along the time axis are shares of the width in percent, heights are
// CSS pixels: the drawing fits any width and its text never shrinks.
type chart struct {
	ID, Label    string
	From, To     float64
	Height       int
	Bands        []band
	Requests     panel
	Latency      panel
	Lanes        []lane
	Time         []label
	TimeY, Shade float64 // baseline of the time axis' labels; height of the shading
}

// A panel is one plot of a chart. Its paths live in a coordinate system of
// their own: one unit of width per bin, pixels of height.
type panel struct {
	Bins   int
	Top    float64
	Height float64
	Grid   []label
	Paths  []path
}

type path struct{ Class, D string }

// A label is a text at a place.
type label struct {
	X, Text, Anchor string
	Y               float64
}

// A band is a shaded stretch of time.
type band struct {
	X, W, Mid           string
	Class, Text         string
	Title, Href, Anchor string
}

// Heights of a chart's parts, in pixels: the requests get the most, as they
// are what the verdict is about.
const (
	headHeight     = 20
	requestsHeight = 132
	gapHeight      = 20
	latencyHeight  = 104
	laneHeight     = 17
	timeHeight     = 22
)

// newChart draws the stretch [from, to) of a series; nil if it has nothing.
func newChart(id, title string, s chaos.Series, from, to float64, bands []band, lanes []lane) *chart {
	bs := bins(s, from, to)
	if len(bs) == 0 {
		return nil
	}
	c := &chart{ID: id, From: bs[0].From, To: bs[len(bs)-1].To, Bands: bands, Lanes: lanes}
	// The last bin may be shorter than the others: it is drawn as wide.
	step := bs[0].To - bs[0].From
	c.To = c.From + step*float64(len(bs))
	c.Label = title + ": " + inWords(bs)
	c.Requests = requests(bs)
	c.Latency = latencies(bs)
	y := float64(headHeight)
	c.Requests.place(y)
	y += requestsHeight + gapHeight
	c.Latency.place(y)
	y += latencyHeight
	c.Shade = y - headHeight
	if len(lanes) > 0 {
		y += 10
	}
	for i := range c.Lanes {
		c.Lanes[i].Y = y
		y += laneHeight
	}
	c.TimeY = y + 15
	c.Height = int(y + timeHeight)
	for _, t := range clock(c.From, c.To, 7) {
		l := label{X: c.x(t.At), Text: t.Text, Y: c.TimeY, Anchor: "middle"}
		switch share := (t.At - c.From) / (c.To - c.From); {
		case share < 0.03:
			l.Anchor = "start"
		case share > 0.97:
			l.Anchor = "end"
		}
		c.Time = append(c.Time, l)
	}
	return c
}

// x is a moment's place along the axis.
func (c *chart) x(at float64) string { return percent(at, c.From, c.To) }

// percent is a place between two ends, kept inside them.
func percent(at, from, to float64) string {
	if !(to > from) || math.IsNaN(at) {
		return "0%"
	}
	return fmt.Sprintf("%.3f%%", 100*min(1, max(0, (at-from)/(to-from))))
}

func (p *panel) place(top float64) {
	p.Top = top
	for i := range p.Grid {
		p.Grid[i].Y += top
	}
}

// requests stacks the outcomes. The worst stands at the bottom, on the axis,
// where one request in a thousand can still be seen.
func requests(bs []bin) panel {
	p := panel{Bins: len(bs), Height: requestsHeight}
	most := 0.0
	for _, b := range bs {
		most = max(most, b.Intended, b.OK+b.Degraded+b.Failed+b.Unknown)
	}
	top, ticks := linear(most, 4)
	for _, t := range ticks {
		p.Grid = append(p.Grid, label{Text: t.Text, Y: requestsHeight * (1 - t.At/top)})
	}
	floor := make([]float64, len(bs))
	for _, o := range []struct {
		class string
		of    func(bin) float64
	}{
		{"failed", func(b bin) float64 { return b.Failed }},
		{"unknown", func(b bin) float64 { return b.Unknown }},
		{"degraded", func(b bin) float64 { return b.Degraded }},
		{"ok", func(b bin) float64 { return b.OK }},
	} {
		var d strings.Builder
		for i, b := range bs {
			if o.of(b) == 0 {
				continue
			}
			h := requestsHeight * o.of(b) / top
			if o.class != "ok" {
				h = max(h, 2) // what went wrong is seen, however seldom
			}
			from := requestsHeight - floor[i]
			to := max(0, from-h)
			floor[i] = requestsHeight - to
			fmt.Fprintf(&d, "M%d %sV%sh1V%sz", i, px(from), px(to), px(from))
		}
		p.Paths = append(p.Paths, path{o.class, d.String()})
	}
	p.Paths = append(p.Paths, path{"intended", steps(bs, func(b bin) (float64, bool) {
		return requestsHeight * (1 - b.Intended/top), true
	})})
	return p
}

// latencies draws the percentiles, and the room between them.
func latencies(bs []bin) panel {
	p := panel{Bins: len(bs), Height: latencyHeight}
	least, most := math.Inf(1), 0.0
	for _, b := range bs {
		for _, x := range []float64{b.P50, b.P99} {
			if x > 0 {
				least, most = min(least, x), max(most, x)
			}
		}
	}
	low, high, ticks := decades(least, most)
	y := func(s float64) (float64, bool) {
		return latencyHeight * (1 - (min(high, max(low, math.Log10(s)))-low)/(high-low)), s > 0
	}
	for _, t := range ticks {
		p.Grid = append(p.Grid, label{Text: t.Text, Y: latencyHeight * (1 - (t.At-low)/(high-low))})
	}
	var room strings.Builder
	for i, b := range bs {
		from, ok := y(b.P50)
		to, also := y(b.P99)
		if ok && also {
			fmt.Fprintf(&room, "M%d %sV%sh1V%sz", i, px(from), px(to), px(from))
		}
	}
	p.Paths = []path{
		{"room", room.String()},
		{"p50", steps(bs, func(b bin) (float64, bool) { return y(b.P50) })},
		{"p99", steps(bs, func(b bin) (float64, bool) { return y(b.P99) })},
	}
	return p
}

// steps draws a line that is level within each bin and broken where there is
// no value.
func steps(bs []bin, y func(bin) (float64, bool)) string {
	var d strings.Builder
	on := false
	for i, b := range bs {
		v, ok := y(b)
		switch {
		case ok && on:
			fmt.Fprintf(&d, "V%sh1", px(v))
		case ok:
			fmt.Fprintf(&d, "M%d %sh1", i, px(v))
		}
		on = ok
	}
	return d.String()
}

// px prints a coordinate to a tenth of a pixel, as short as it goes.
func px(x float64) string {
	return strings.TrimSuffix(fmt.Sprintf("%.1f", x), ".0")
}

// inWords says what a chart shows to one who cannot see it.
func inWords(bs []bin) string {
	var sum bin
	worst := bin{}
	for _, b := range bs {
		w := b.To - b.From
		sum.Intended += b.Intended * w
		sum.Degraded += b.Degraded * w
		sum.Failed += b.Failed * w
		sum.Unknown += b.Unknown * w
		if b.P99 > worst.P99 {
			worst = b
		}
	}
	return fmt.Sprintf("%s requests intended, %s degraded, %s failed, %s of unknown effect; the worst second's p99 was %s, at %.0f s",
		count(sum.Intended), count(sum.Degraded), count(sum.Failed), count(sum.Unknown), duration(worst.P99), worst.From)
}
