package monkey

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Registry is what /metrics shows.
func (m *Monkey) Registry() *prometheus.Registry { return m.metrics.registry }

// Routes are the patterns of the API.
func Routes() (all []string) {
	for _, r := range routes {
		all = append(all, r.pattern)
	}
	return all
}

// Holds reports whether t lies in the window.
func (w Window) Holds(t time.Time) bool { return w.holds(t) }

// Next is when that may change.
func (w Window) Next(t time.Time) time.Time { return w.next(t) }
