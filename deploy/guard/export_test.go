package guard

import "time"

// Watch is the guard's idea of time, for a test without any.
func Watch(length time.Duration) func(now, sign time.Time) bool {
	l := &lease{length: length}
	return l.expired
}
