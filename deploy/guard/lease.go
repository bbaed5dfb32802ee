package guard

import "time"

// A lease decides when an owner has been silent for too long. It is told the
// time and the entry's modification time, and only asks whether the latter
// changed: the wall clock may jump, a sign of life may not be missed for it.
type lease struct {
	length time.Duration
	sign   time.Time // the last sign of life
	since  time.Time // when it was first seen, by the guard's own clock
	asked  time.Time
}

// expired reports whether no sign of life has been seen for the lease's length.
// After an expiry it starts over.
func (l *lease) expired(now, sign time.Time) bool {
	// A guard that was not running itself (a suspended machine, a frozen
	// virtual one) has no right to call the owner silent. A quarter of the
	// lease is five times the interval at which it asks.
	stalled := now.Sub(l.asked) > l.length/4
	l.asked = now
	if stalled || !sign.Equal(l.sign) {
		l.sign, l.since = sign, now
		return false
	}
	if now.Sub(l.since) < l.length {
		return false
	}
	l.since = now
	return true
}
