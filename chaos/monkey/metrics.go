package monkey

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what /metrics shows, in a registry of the monkey's own.
type metrics struct {
	registry *prometheus.Registry
	events   *prometheus.CounterVec
	lift     *prometheus.HistogramVec
}

func newMetrics(m *Monkey) *metrics {
	x := &metrics{
		registry: prometheus.NewRegistry(),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bedlam_monkey_faults_total",
			Help: "Faults by kind, who decided on them, and what became of them; each is counted at every step of its life."},
			[]string{"fault", "origin", "event"}),
		lift: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "bedlam_monkey_fault_seconds",
			Help: "Time from a fault's injection to its lift.",
			// From the shortest fault to the longest, in factors of two or so.
			Buckets: []float64{1, 2, 5, 10, 20, 30, 60, 120, 300, 600}}, []string{"fault"}),
	}
	gauge := func(name, help string, value func(Status) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "bedlam_monkey_" + name, Help: help},
			func() float64 { return value(m.Status()) })
	}
	is := func(b bool) float64 {
		if b {
			return 1
		}
		return 0
	}
	x.registry.MustRegister(x.events, x.lift,
		gauge("faults_live", "Faults that are on, or may be.", func(s Status) float64 { return float64(len(s.Live)) }),
		gauge("paused", "1 while the schedule is paused.", func(s Status) float64 { return is(s.State == "paused") }),
		gauge("halted", "1 once the monkey was halted.", func(s Status) float64 { return is(s.State == "halted") }),
		gauge("next_fault_timestamp_seconds", "When the next fault falls due, in Unix time; 0 if none does.", func(s Status) float64 {
			if s.Next == nil {
				return 0
			}
			return float64(s.Next.Due.UnixMilli()) / 1000
		}))
	if m.Goodput != nil {
		x.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "bedlam_monkey_goodput_ratio",
			Help: "Good responses over intended ones, of the customers' last ten seconds."},
			func() float64 { share, _ := m.Goodput(); return share }))
	}
	return x
}

func (x *metrics) observe(e Event) {
	f := e.Fault
	x.events.WithLabelValues(f.Action, string(f.Origin), string(e.What)).Inc()
	if e.What == WasLifted && !f.Injected.IsZero() {
		x.lift.WithLabelValues(f.Action).Observe(f.Lifted.Sub(f.Injected).Round(time.Millisecond).Seconds())
	}
}
