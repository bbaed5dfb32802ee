package bedlam

import (
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/stats"
)

// What can be said of a figure that is held to a target.
const (
	benchMet       = "met"
	benchMissed    = "missed"
	benchUndecided = "undecided" // by chance it would be on the other side too often
)

// A FaultsResult is what a [FaultsBenchmark] came to, as it is kept.
type FaultsResult struct {
	Commit  string        `json:"commit"`
	Date    time.Time     `json:"date"`
	Machine chaos.Machine `json:"machine"`
	Rounds  int           `json:"rounds"`
	Missing []string      `json:"missing,omitempty"`
	Ratios  []FaultsRatio `json:"ratios"`
	Times   []FaultsTime  `json:"times"`
	Shares  []FaultsShare `json:"shares"`
	// Medians are what the ratios are made of, by measure and way; with their
	// units.
	Medians map[string]map[string]float64 `json:"medians"`
}

// A FaultsSpread is a median over the rounds, and what it is at least and at
// most, each with a confidence of 95 %; nil if there are too few rounds to say.
type FaultsSpread struct {
	Median float64  `json:"median"`
	Least  *float64 `json:"least,omitempty"`
	Most   *float64 `json:"most,omitempty"`
}

// A FaultsRatio is one within the rounds. Of each of them more is better.
type FaultsRatio struct {
	Name          string  `json:"name"`
	*FaultsSpread         // nil: something that it takes was not measured
	Target        float64 `json:"target,omitempty"` // 0: it explains another one
	Verdict       string  `json:"verdict,omitempty"`
}

// A FaultsTime is how many milliseconds a harm takes to come or to go.
type FaultsTime struct {
	Name          string   `json:"name"`
	*FaultsSpread          // nil: it was not measured
	Floor         *float64 `json:"floor,omitempty"` // the median of the least that there is to it
	Target        float64  `json:"target"`          // at most
	Verdict       string   `json:"verdict,omitempty"`
	Why           string   `json:"why,omitempty"` // it was not measured
}

// A FaultsShare is a share that was asked for, and what was seen of it over all
// rounds, with its 99 % interval by Wilson.
type FaultsShare struct {
	Name    string  `json:"name"`
	Asked   float64 `json:"asked"` // 0 to 1, as the ends of the interval are
	Seen    int     `json:"seen"`
	Of      int     `json:"of"` // 0: nothing was counted
	Least   float64 `json:"least"`
	Most    float64 `json:"most"`
	Verdict string  `json:"verdict,omitempty"`
	Why     string  `json:"why,omitempty"` // nothing was counted
}

// Result sums the rounds up.
func (b FaultsBenchmark) Result() FaultsResult {
	r := FaultsResult{Commit: commit(), Date: time.Now().UTC(), Machine: b.Machine, Rounds: len(b.rounds), Missing: b.Missing,
		Medians: map[string]map[string]float64{}}
	for _, target := range benchTargets() {
		s := spread(b.across(target.ratio))
		row := FaultsRatio{Name: target.name, FaultsSpread: s, Target: target.least}
		if s != nil && target.least > 0 {
			row.Verdict = s.verdict(func(x float64) bool { return x >= target.least })
		}
		r.Ratios = append(r.Ratios, row)
	}
	for _, limit := range benchLimits() {
		r.Times = append(r.Times, b.time(limit))
	}
	for _, s := range benchShares() {
		r.Shares = append(r.Shares, b.share(s))
	}
	for _, m := range benchMeasures() {
		for _, w := range b.Ways {
			if s := spread(b.measured(m, w)); s != nil {
				if r.Medians[m] == nil {
					r.Medians[m] = map[string]float64{}
				}
				r.Medians[m][w] = s.Median
			}
		}
	}
	return r
}

func (b FaultsBenchmark) time(limit benchLimit) FaultsTime {
	row := FaultsTime{Name: limit.measure, Target: limit.most, FaultsSpread: spread(b.measured(limit.measure, benchOurs))}
	if floor := spread(b.measured(limit.measure, benchFloor)); floor != nil {
		row.Floor = &floor.Median
	}
	switch {
	case row.FaultsSpread != nil:
		row.Verdict = row.verdict(func(x float64) bool { return x <= limit.most })
	case limit.packets && b.noPackets != nil:
		row.Why = b.noPackets.Error()
	}
	return row
}

func (b FaultsBenchmark) share(s benchShare) FaultsShare {
	c := b.counts[s.name]
	row := FaultsShare{Name: s.name, Asked: s.percent / 100, Seen: c.seen, Of: c.of}
	const confidence = 0.99
	i := stats.Wilson(float64(c.seen), float64(c.of), confidence)
	row.Least, row.Most = i.Lo, i.Hi
	switch {
	case c.of == 0 && s.packets && b.noPackets != nil:
		row.Why = b.noPackets.Error()
	case c.of == 0:
	case i.Has(row.Asked):
		row.Verdict = benchMet
	default:
		row.Verdict = benchMissed
	}
	return row
}

// across returns a value of each round that has it.
func (b FaultsBenchmark) across(value func(of func(measure, way string) (float64, bool)) (float64, bool)) []float64 {
	var all []float64
	for _, round := range b.rounds {
		v, ok := value(func(measure, way string) (float64, bool) {
			v, ok := round[benchKey{measure, way}]
			return v, ok
		})
		if ok {
			all = append(all, v)
		}
	}
	return all
}

// measured is across for a measure of one way.
func (b FaultsBenchmark) measured(measure, way string) []float64 {
	return b.across(func(of func(string, string) (float64, bool)) (float64, bool) { return of(measure, way) })
}

// spread returns nil of nothing.
func spread(all []float64) *FaultsSpread {
	if len(all) == 0 {
		return nil
	}
	s := &FaultsSpread{Median: median(all)}
	if least, most, ok := bounds(all); ok {
		s.Least, s.Most = &least, &most
	}
	return s
}

// verdict says whether a median is on the side of its target that holds says.
func (s *FaultsSpread) verdict(holds func(float64) bool) string {
	switch {
	case s.Least == nil:
		return benchUndecided
	case holds(*s.Least) && holds(*s.Most):
		return benchMet
	case !holds(*s.Least) && !holds(*s.Most):
		return benchMissed
	}
	return benchUndecided
}
