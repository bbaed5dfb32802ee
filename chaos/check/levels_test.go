package check_test

import (
	"slices"
	"testing"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/loadgen"
	"github.com/bedlamlab/bedlam/observability/collector"
)

// levels are what the processes of a world hold.
type levels []*collector.Level

func (ls levels) Levels(names ...string) (out []collector.Level) {
	for _, l := range ls {
		if slices.Contains(names, l.Name) {
			out = append(out, *l)
		}
	}
	return out
}

const (
	firstLife = -5.0 // when the processes of a world began
	lookEvery = 2.0  // as services do
	heap      = "go.memory.gc.goal"
	routines  = "go.goroutine.count"
	files     = "process.unix.file_descriptor.count"
	serving   = "rpc.server.active_requests"
	pool      = "db.client.connection.count"
	outbox    = "orders.outbox.backlog"
	waits     = "db.client.connection.pending_requests"

	servingHTTP = "http.server.active_requests"
)

// usual is what a healthy process holds at its n-th look: waves, whose troughs
// and crests come again and again.
var usual = map[string]func(n int) float64{
	"go.memory.used": func(n int) float64 { return 14e6 + float64(n%9)*1e6 },
	heap:             func(n int) float64 { return 6e6 + float64(n*7919%13)*1e5 }, // each look after another collection
	routines:         func(n int) float64 { return 40 + float64(n%3) },
	files:            func(n int) float64 { return 20 + float64(n%2) },
	serving:          func(n int) float64 { return float64(n * 5 % 4) },
	pool:             func(n int) float64 { return float64(n % 3) },
	outbox:           func(n int) float64 { return float64(n % 2) },
	waits:            func(int) float64 { return 0 },
	servingHTTP:      func(n int) float64 { return float64(n % 4) },
}

// holdings are those of a golden run.
func (w *world) holdings() {
	for _, in := range []string{"bank-1", "checkout-1", "checkout-2", "orders-1", "payment-1", "recommend-1", "recommend-2"} {
		for name := range usual {
			l := &collector.Level{Instance: in, Service: in[:len(in)-2], Name: name}
			switch {
			case name == outbox && l.Service != "orders":
				continue
			case name == pool:
				l.Attrs = map[string]string{"db.client.connection.state": "used"}
				idle := &collector.Level{Instance: in, Service: l.Service, Name: name, Attrs: map[string]string{"db.client.connection.state": "idle"}}
				w.levels = append(w.levels, idle)
				look(idle, -1, loadStopped, func(int) float64 { return 6 })
			}
			w.levels = append(w.levels, l)
			look(l, -1, loadStopped, usual[name])
		}
	}
}

// look adds readings from one moment to another.
func look(l *collector.Level, from, to float64, value func(n int) float64) {
	for s := from; s < to; s += lookEvery {
		l.Points = append(l.Points, collector.Point{Time: moment(s), Since: moment(firstLife), Value: value(len(l.Points))})
	}
}

// raise changes what an instance holds from a moment on.
func (w *world) raise(t *testing.T, instance, metric string, from, to float64, change func(float64) float64) {
	t.Helper()
	l := w.level(t, instance, metric)
	for i := range l.Points {
		if p := &l.Points[i]; !p.Time.Before(moment(from)) && p.Time.Before(moment(to)) {
			p.Value = change(p.Value)
		}
	}
}

func (w *world) level(t *testing.T, instance, metric string) *collector.Level {
	t.Helper()
	i := slices.IndexFunc(w.levels, func(l *collector.Level) bool {
		return l.Instance == instance && l.Name == metric && l.Attrs["db.client.connection.state"] != "idle"
	})
	if i < 0 {
		t.Fatalf("%s has no %s", instance, metric)
	}
	return w.levels[i]
}

// reborn gives an instance another life from a moment on; before, it is gone for
// two looks.
func (w *world) reborn(instance string, at float64) {
	for _, l := range w.levels {
		if l.Instance != instance {
			continue
		}
		l.Points = slices.DeleteFunc(l.Points, func(p collector.Point) bool {
			return !p.Time.Before(moment(at-2*lookEvery)) && p.Time.Before(moment(at))
		})
		for i := range l.Points {
			if p := &l.Points[i]; !p.Time.Before(moment(at)) {
				p.Since = moment(at - 0.5)
			}
		}
	}
}

// prolong lets the load go on after the last experiment, with customers who only
// browse, and not many.
func (w *world) prolong(to float64) {
	for i := range w.journal {
		switch e := &w.journal[i]; e.Kind {
		case chaos.LoadStopped, chaos.Quiescent, chaos.RunEnded:
			e.Time = e.Time.Add(seconds(to - loadStopped))
		}
	}
	for s := loadStopped - 0.4; s < to-0.5; s += 0.1 {
		w.request(loadgen.ClassHome, s, 0.01)
	}
	for s := loadStopped; s < to-0.5; s++ { // some leave traces
		w.browse(s)
	}
	for _, l := range w.levels {
		last := l.Points[len(l.Points)-1].Time
		look(l, last.Sub(start).Seconds()+lookEvery, to, usual[l.Name])
	}
}

func more(n float64) func(float64) float64 { return func(x float64) float64 { return x + n } }
