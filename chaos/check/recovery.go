package check

import (
	"math"

	"github.com/bedlamlab/bedlam/chaos"
)

// recoveredFor is how many seconds goodput must stay in the baseline's band.
const recoveredFor = 3

// band is how far below the baseline's goodput is still normal: one request
// in a hundred.
const band = 0.01

// recovery says whether the fault is gone and the system well again.
func recovery(v *view) chaos.Recovery {
	r := chaos.Recovery{Status: "none"}
	if detail, ok := v.has(chaos.LiftFailed); ok {
		return chaos.Recovery{Status: "not-lifted", Lift: detail}
	}
	detail, ok := v.has(chaos.LiftProven)
	if !ok {
		return r
	}
	r.Lift = detail
	x := v.recoveryTime()
	switch {
	case x.value == nil:
	case math.IsInf(*x.value, 1):
		r.Status = "not-recovered"
	default:
		r.Status, r.Seconds = "recovered", x.value
	}
	return r
}

// recoveryTime is the time from the last lift to the first of recoveredFor
// seconds in the band; infinite if there is none although the run looked long
// enough, nil if it was cut short. Seconds count from the lift, n is how many
// there were.
func (v *view) recoveryTime() reading {
	if v.lifted == 0 || v.baseline.To == 0 {
		return reading{}
	}
	normal := v.metric("goodput", "", "", v.baseline)
	if normal.value == nil {
		return reading{}
	}
	n := int(v.after.To - v.lifted)
	in := 0 // seconds in the band in a row
	for s := range n {
		from := v.lifted + float64(s)
		g := v.metric("goodput", "", "", chaos.Window{From: from, To: from + 1})
		if g.value == nil || *g.value < *normal.value-band {
			in = 0
			continue
		}
		if in++; in == recoveredFor {
			took := float64(s + 1 - recoveredFor)
			return reading{&took, n}
		}
	}
	if _, gaveUp := v.has(chaos.NotRecovered); gaveUp || v.ended {
		never := math.Inf(1)
		return reading{&never, n}
	}
	return reading{nil, n}
}
