package loadgen

import "time"

// Live is how the load fares at one moment. Requests are those of customers,
// not of surges (see [Generator.Surged]). They are counted in the second
// in which they were due, answered or not, so that a second in which the shop
// stalls shows as soon as its requests are too late to be good.
type Live struct {
	At      time.Duration // from the start of the run
	Seconds []Second      // the last 30 whole ones and the present one, oldest first; fewer at the beginning
	Total   Counts        // since the beginning
	Rate    float64       // journeys a second, as asked
	// Arrived is how many journeys have begun; Journeys how many are under way,
	// those of surges among them; Outstanding how many requests have no answer.
	Arrived     int
	Journeys    int
	Outstanding int
	// Lag is how late the generator itself was at worst in the last three
	// seconds, and how late it is now.
	Lag time.Duration
}

// Last adds up the whole seconds and the present one of which a part lies in
// the last d, at most 30 s.
func (l Live) Last(d time.Duration) Counts {
	var c Counts
	for _, s := range l.Seconds {
		if s.From+time.Second > l.At-d {
			c = c.plus(s.Counts)
		}
	}
	return c
}

// Live returns how the load fares now. It may be called at any time, a few
// times a second.
func (g *Generator) Live() Live {
	l := Live{At: g.now(), Rate: g.config.Rate, Arrived: int(g.customers.arrived.Load()), Journeys: int(g.under.Load())}
	l.Seconds, l.Total, l.Outstanding = g.board.look(l.At)
	for _, s := range l.Seconds {
		if s.From+time.Second > l.At-3*time.Second {
			l.Lag = max(l.Lag, s.Lag)
		}
	}
	if next := time.Duration(g.customers.next.Load()); next >= 0 {
		l.Lag = max(l.Lag, l.At-next)
	}
	return l
}
