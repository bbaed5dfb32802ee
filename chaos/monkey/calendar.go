package monkey

import "time"

// A calendar says when the monkey may have a fault on: within one of the hours,
// if there are any, and in no quiet period.
type calendar struct{ hours, quiet []Window }

func (c calendar) open(t time.Time) bool {
	in := len(c.hours) == 0
	for _, w := range c.hours {
		in = in || w.holds(t)
	}
	for _, w := range c.quiet {
		in = in && !w.holds(t)
	}
	return in
}

// next returns the first moment after t at which any window begins or ends;
// zero if there is none.
func (c calendar) next(t time.Time) (first time.Time) {
	for _, ws := range [][]Window{c.hours, c.quiet} {
		for _, w := range ws {
			if at := w.next(t); !at.IsZero() && (first.IsZero() || at.Before(first)) {
				first = at
			}
		}
	}
	return first
}

// advance returns the moment at which d of open time have gone by since t, and
// it is open; a clock that stands still while it is closed piles nothing up at
// the opening. It is false if that is not before most.
func (c calendar) advance(t time.Time, d time.Duration, most time.Time) (time.Time, bool) {
	for t.Before(most) {
		next := c.next(t)
		if c.open(t) {
			if next.IsZero() || t.Add(d).Before(next) {
				t = t.Add(d)
				return t, t.Before(most)
			}
			d -= next.Sub(t)
		}
		if next.IsZero() {
			return t, false // closed for ever
		}
		t = next
	}
	return t, false
}

// fits reports whether it is open from t on for d.
func (c calendar) fits(t time.Time, d time.Duration) bool {
	end := t.Add(d)
	for c.open(t) {
		t = c.next(t)
		if t.IsZero() || !t.Before(end) {
			return true
		}
	}
	return false
}
