package check

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/bedlamlab/bedlam/chaos"
)

// tailBack is how much higher than before the 99th percentile may be and count
// as being back. In nine of twelve recorded runs of a shop that nobody had
// changed it stayed within it; in the others the machine had other things to do.
// So it is told, and never held against anybody: who wants that runs pairs.
var tailBack = bound{1.5, 0.01}

// restoration says what came back; nil if nothing was lifted, or if the record
// tells nothing of any process.
func (v *view) restoration() *chaos.Restoration {
	if v.back != nil || !v.harmed || v.lifted < 0 {
		return v.back
	}
	r := &chaos.Restoration{Scars: []chaos.Scar{}}
	before, since := v.calm()
	some := false
	for _, m := range measures {
		all := v.m.holdings(m.gauge)
		some = some || len(all) > 0
		for _, h := range all {
			v.compare(r, m, h, all, before, since)
		}
	}
	if !some {
		return nil
	}
	v.compareTail(r, before, since)
	slices.SortStableFunc(r.Scars, func(a, b chaos.Scar) int {
		if a.Lasting != b.Lasting {
			return map[bool]int{true: -1, false: 1}[a.Lasting]
		}
		return cmp.Compare(b.Since/b.Limit, a.Since/a.Limit)
	})
	v.back = r
	return r
}

// calm returns the times under load in which nothing was broken, before the
// fault and since. Those since reach over all experiments that follow: what
// came back in between is no scar, and what the next one leaves is its own.
func (v *view) calm() (before, since []chaos.Window) {
	before = []chaos.Window{v.baseline}
	for _, u := range v.m.views {
		switch {
		case !u.harmed || u.lifted < 0:
		case u.begun < v.begun:
			before = append(before, u.after)
		default:
			since = append(since, u.after)
		}
	}
	return before, since
}

// compare compares one measure of one instance; all are those of the system.
func (v *view) compare(r *chaos.Restoration, m measure, h holding, all []holding, before, since []chaos.Window) {
	now := h.in(since...)
	if m.collected {
		now = collectedSince(h, v.lifted, since)
	}
	if len(h.in(v.after)) == 0 || len(now) == 0 {
		r.Untold++
		return
	}
	// What an earlier life held went with it.
	life := now[len(now)-1].life
	other := func(x held) bool { return x.life != life }
	now = slices.DeleteFunc(now, other)
	then := slices.DeleteFunc(h.in(before...), other)
	reborn := len(then) == 0
	if reborn { // its kind: it has only begun, as the baseline's lives had
		for _, o := range all {
			if o.service == h.service {
				then = append(then, o.in(before...)...)
			}
		}
	}
	watched := now[len(now)-1].at - v.lifted
	r.Watched = max(r.Watched, tenths(watched))
	if len(then) < leastBefore || len(now) < leastSince {
		r.Untold++
		return
	}
	least, most := lowest(now), highest(then)
	if least <= m.back.of(most) {
		r.Back++
		return
	}
	s := chaos.Scar{Instance: h.instance, Measure: m.name, Metric: h.metric, Unit: m.unit, Before: most, Since: least,
		Limit: m.back.of(most), N: [2]int{len(then), len(now)}, Reborn: reborn, Lasting: watched >= settled && least > m.lasting.of(most)}
	s.Text = fmt.Sprintf("%s of %s: never below %s in %.0f s since the lift, at most %s before", inFull(m), h.instance,
		amount(least, m.unit), watched, amount(most, m.unit))
	if reborn {
		s.Text += " in any instance of " + h.service
	}
	if !s.Lasting && watched < settled {
		s.Text += fmt.Sprintf(" (whether it stays takes %d s to tell)", settled)
	}
	r.Scars = append(r.Scars, s)
}

// collectedSince returns the readings of calm times that a collection has made
// after a moment: those before it has are what they were.
func collectedSince(h holding, at float64, since []chaos.Window) []held {
	var old held
	var after []held
	for _, x := range h.readings {
		switch {
		case x.at <= at:
			old = x
		case len(after) > 0 || x.value != old.value || x.life != old.life:
			after = append(after, x)
		}
	}
	return holding{readings: after}.in(since...)
}

// compareTail compares the 99th percentile of all requests.
func (v *view) compareTail(r *chaos.Restoration, before, since []chaos.Window) {
	of := func(ws []chaos.Window) *sample {
		s := &sample{}
		for _, w := range ws {
			for _, q := range v.m.due(w) {
				s.latencies = append(s.latencies, q.Latency().Seconds())
			}
		}
		slices.Sort(s.latencies)
		s.n = len(s.latencies)
		return s
	}
	p99 := percentiles["p99"]
	then, now := of(before).percentile(p99), of(since).percentile(p99)
	switch {
	case then.value == nil || now.value == nil:
		r.Untold++
	case *now.value <= tailBack.of(*then.value):
		r.Back++
	default:
		r.Scars = append(r.Scars, chaos.Scar{Measure: "p99", Metric: "p99", Unit: "s", Before: *then.value, Since: *now.value,
			Limit: tailBack.of(*then.value), N: [2]int{then.n, now.n},
			Text: fmt.Sprintf("p99 was %s since the lift, %s before", amount(*now.value, "s"), amount(*then.value, "s"))})
	}
}
