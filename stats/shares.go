package stats

import "math"

// Wilson is the interval of a share of which hits of n were seen (Wilson,
// Probable inference, JASA 22, 1927). Unlike the textbook's interval it stays
// between 0 and 1 and has a width also for none and for all of n (Newcombe,
// Statistics in Medicine 17, 1998, compares seven). n may be a fraction: what n
// dependent observations are worth ([Worth]). Of nothing, everything from 0 to 1
// is possible.
func Wilson(hits, n, confidence float64) Interval {
	if !(n > 0) || !(hits >= 0) || hits > n || !(confidence > 0 && confidence < 1) {
		return Interval{0, 1}
	}
	q := z((1 + confidence) / 2)
	p := hits / n
	middle := p + q*q/(2*n)
	half := q * math.Sqrt(p*(1-p)/n+q*q/(4*n*n))
	scale := 1 + q*q/n
	i := Interval{max(0, (middle-half)/scale), min(1, (middle+half)/scale)}
	// What was seen is possible, whatever rounding says.
	return Interval{min(i.Lo, p), max(i.Hi, p)}
}

// RuleOfThree is the upper end, with 95 % confidence, of the rate of what was
// seen in none of n: 3/n, at most 1 (Hanley and Lippman-Hand, If nothing goes
// wrong, is everything all right?, JAMA 249, 1983). Print it beside every
// "0 of n".
func RuleOfThree(n int) float64 {
	if n <= 3 {
		return 1
	}
	return 3 / float64(n)
}

// An Estimate is a figure with its interval.
type Estimate struct {
	Value float64
	Interval
}

// Difference is a−b with its interval, made out of the two intervals alone:
// each end is as far from the difference as the two ends that make it are from
// their figures, by Pythagoras. For two Wilson intervals this is Newcombe's
// (Interval estimation for the difference between independent proportions,
// Statistics in Medicine 17, 1998, method 10); for any others it is what Zou
// and Donner call MOVER (Statistics in Medicine 27, 2008). a and b must be
// independent. It has their confidence.
func Difference(a, b Estimate) Estimate {
	d := a.Value - b.Value
	return Estimate{d, Interval{
		d - math.Hypot(a.Value-a.Lo, b.Hi-b.Value),
		d + math.Hypot(a.Hi-a.Value, b.Value-b.Lo),
	}}
}

// Beyond is the p-value of "the figure is above the margin", read out of its
// interval of that confidence: how many of the standard errors that the
// interval's lower half is made of fit between the margin and the figure.
func (e Estimate) Beyond(margin, confidence float64) float64 {
	width := e.Value - e.Lo
	switch {
	case !(e.Value > margin):
		return 1 // it is not even seen
	case width <= 0:
		return 0
	}
	return 1 - normal(z((1+confidence)/2)*(e.Value-margin)/width)
}

// Worth is how many independent observations the counts of some stretches are
// worth: n over the design effect, which is how much more the stretches differ
// than chance alone would have them (Kish, Survey Sampling, 1965; Rao and
// Scott, Biometrics 48, 1992). Requests of one second fail together, so that a
// thousand of a run may be worth a hundred. Fewer than two stretches with
// anything in them cannot show it: n is returned. It is never more than n.
func Worth(hits, of []int) float64 {
	sumHits, n, stretches := 0.0, 0.0, 0.0
	for i := range of {
		if of[i] > 0 {
			sumHits, n, stretches = sumHits+float64(hits[i]), n+float64(of[i]), stretches+1
		}
	}
	if n == 0 || stretches < 2 {
		return n
	}
	p := sumHits / n
	expected := p * (1 - p)
	if expected == 0 {
		return n // nothing differs
	}
	// The ratio estimator's variance between stretches, over the binomial one.
	between := 0.0
	for i := range of {
		if of[i] > 0 {
			d := float64(hits[i]) - p*float64(of[i])
			between += d * d
		}
	}
	effect := between * stretches / (stretches - 1) / (n * expected)
	return n / max(1, effect)
}
