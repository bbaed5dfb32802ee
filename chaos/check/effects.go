package check

import (
	"math"
	"slices"

	"github.com/bedlamlab/bedlam/chaos"
)

const (
	// slo is the promise whose error budget a fault uses up: the usual three nines.
	slo = 0.999
	// month is over what the budget is counted, in seconds.
	month = 30 * 24 * 3600
	// fast is the burn rate of the alert that pages somebody: at it, a fiftieth
	// of the month's budget is gone within an hour. The windows are those of an
	// hour and five minutes, a sixtieth of them, as experiments last minutes.
	fast             = 14.4
	longBurn, toBurn = 60, 5
	// deepFor is over how many seconds the depth is taken.
	deepFor = 5
)

// effects are the rows of what the fault did as a whole, in the order of
// [chaos.Effects].
func effects(v *view) []chaos.Row {
	if !v.harmed {
		return nil
	}
	f := v.fall()
	cells := v.suffering()
	figures := map[string]reading{
		"loss": f.loss(), "depth": f.depth(), "resilience": f.resilience(), "burn": f.burn(),
		"detected": v.detected(), "mitigated": v.mitigated(), "adapted": v.adapted(), "healed": v.healed(), "scars": v.scarred(),
		"dead-work": v.deadWork(), "blast": share(cells, func(c cell) bool { return c.suffers }),
		"collateral": share(cells, func(c cell) bool { return c.suffers && c.bystander }),
	}
	var out []chaos.Row
	for _, m := range chaos.Effects {
		x, measured := figures[m.Name]
		if !measured {
			continue // the audit tells it
		}
		r := chaos.Row{Metric: m.Name, Unit: m.Unit, Fault: x.value, N: [3]int{0, x.n, 0}}
		if m.Name == "healed" || m.Name == "scars" { // they tell of the time after it
			r.Fault, r.After, r.N = nil, x.value, [3]int{0, 0, x.n}
		}
		out = append(out, r)
	}
	return out
}

// A fall is goodput by the second, from the injection until the system was well.
type fall struct {
	normal float64   // the median second of the baseline
	goods  []float64 // of each second that had requests
}

// fall follows goodput until the recovery, or for as long as was looked.
func (v *view) fall() fall {
	_, b := v.m.bySecond(v.baseline)
	if len(b) == 0 {
		return fall{}
	}
	slices.Sort(b)
	end := v.after.To
	if x, since := v.recovery(fromDue); x.value != nil && !math.IsInf(*x.value, 1) {
		end = max(v.fault.To, since.at+*x.value)
	}
	_, goods := v.m.bySecond(chaos.Window{From: v.fault.From, To: max(end, v.fault.To)})
	return fall{normal: b[len(b)/2], goods: goods}
}

// bySecond returns goodput in each second of a window that had requests, and
// when it began.
func (m *meter) bySecond(w chaos.Window) (at, goods []float64) {
	rs := m.due(w)
	for i := 0; i < len(rs); {
		begin := w.From + math.Floor(rs[i].Due.Seconds()-w.From)
		n, useful := 0, 0
		for ; i < len(rs) && rs[i].Due.Seconds() < begin+1; i++ {
			n++
			if good(rs[i]) {
				useful++
			}
		}
		if n == 0 { // rounding: the second ends with the request that began it
			i++
			continue
		}
		at, goods = append(at, begin), append(goods, float64(useful)/float64(n))
	}
	return at, goods
}

func (f fall) figure(of func() float64) reading {
	if len(f.goods) == 0 {
		return reading{}
	}
	x := of()
	return reading{&x, len(f.goods)}
}

// loss is the area between normal goodput and what there was, in seconds.
func (f fall) loss() reading {
	return f.figure(func() (sum float64) {
		for _, g := range f.goods {
			sum += max(0, f.normal-g)
		}
		return sum
	})
}

// resilience is the part of the availability that was not lost.
func (f fall) resilience() reading {
	return f.figure(func() float64 { return 1 - *f.loss().value/float64(len(f.goods)) })
}

// depth is how far the mean of deepFor seconds fell at worst.
func (f fall) depth() reading {
	return f.figure(func() float64 {
		worst := math.Inf(1)
		for i := 0; i == 0 || i+deepFor <= len(f.goods); i++ {
			some, sum := f.goods[i:min(len(f.goods), i+deepFor)], 0.0
			for _, g := range some {
				sum += g
			}
			worst = min(worst, sum/float64(len(some)))
		}
		return max(0, f.normal-worst)
	})
}

// burn is the share of a month's budget that the fall used up.
func (f fall) burn() reading {
	return f.figure(func() (sum float64) {
		for _, g := range f.goods {
			sum += 1 - g
		}
		return sum / ((1 - slo) * month)
	})
}

// detected is when an alert on the burn rate would have fired.
func (v *view) detected() reading {
	_, seconds := v.m.bySecond(chaos.Window{From: v.fault.From, To: v.after.To})
	for i := range seconds {
		now := v.fault.From + float64(i+1)
		if v.m.burning(now, toBurn) && v.m.burning(now, longBurn) {
			took := float64(i + 1)
			return reading{&took, len(seconds)}
		}
	}
	return reading{nil, len(seconds)}
}

// burning reports whether the budget burnt fast in the last seconds, of those
// that the run has had since its baseline began.
func (m *meter) burning(now, last float64) bool {
	n, bad := 0, 0
	for _, r := range m.due(chaos.Window{From: max(m.baseline.From, now-last), To: now}) {
		n++
		if !good(r) {
			bad++
		}
	}
	return n > 0 && float64(bad) >= fast*(1-slo)*float64(n)
}

// debts are the invariants that tell what a fault left behind.
var debts = []string{nothingStuck.Name, outboxEmpty.Name, eventsArrive.Name, shippedOnce.Name}

// debt counts what an experiment left behind in the stores, as the audit found
// it; without a final audit, nobody knows.
func debt(v *view, harm []chaos.Finding) (chaos.Row, bool) {
	whole := slices.ContainsFunc(v.m.rec.Audits, func(a chaos.Audit) bool { return a.Final })
	if !v.harmed || !whole {
		return chaos.Row{}, false
	}
	left := 0.0
	for _, f := range harm {
		if slices.Contains(debts, f.Check) {
			left += float64(f.Count)
		}
	}
	return chaos.Row{Metric: "debt", Unit: "count", After: &left}, true
}
