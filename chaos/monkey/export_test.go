package monkey

import "github.com/prometheus/client_golang/prometheus"

// Registry is what /metrics shows.
func (m *Monkey) Registry() *prometheus.Registry { return m.metrics.registry }

// Routes are the patterns of the API.
func Routes() (all []string) {
	for _, r := range routes {
		all = append(all, r.pattern)
	}
	return all
}
