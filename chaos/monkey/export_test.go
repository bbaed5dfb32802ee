package monkey

import "github.com/prometheus/client_golang/prometheus"

// Registry is what /metrics shows.
func (m *Monkey) Registry() *prometheus.Registry { return m.metrics.registry }
