package loadgen

import "time"

// Limit returns the longest latency at which an answer of that class still
// counts as good, and 0 for a class that is none.
//
// One second is about as long as a person waits without losing the thread. A
// checkout may take 2.5 s: the shop promises an answer within 2 s, and half a
// second is for the way there and back, and for the queue.
func Limit(class string) time.Duration {
	switch class {
	case ClassHome, ClassProduct, ClassCartAdd, ClassCartRead, ClassOrder:
		return time.Second
	case ClassCheckout:
		return 2500 * time.Millisecond
	}
	return 0
}

// InTime reports whether the answer came within the limit of its class,
// counted from the time at which the request was due.
func (r Request) InTime() bool { return r.Latency() <= Limit(r.Class) }

// Useful reports whether the response was good as goodput counts it: ok or
// declared degraded, true in meaning, and in time. Goodput is useful responses
// over requests due.
func (r Request) Useful() bool { return r.Good() && r.InTime() }

// writes reports whether a request of that class can have an effect.
func writes(class string) bool { return class == ClassCartAdd || class == ClassCheckout }
