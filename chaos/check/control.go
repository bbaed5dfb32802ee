package check

import (
	"fmt"
	"math"
	"slices"

	"github.com/bedlamlab/bedlam/chaos"
)

// A Control is what a run without faults says to one with them.
type Control struct {
	Result chaos.Result
	// Rows are each experiment's, in the seconds in which the other run had its
	// fault and its time after.
	Rows map[string][]chaos.Row
	// Unfit says for each experiment why nothing can be compared with it.
	Unfit map[string]string
}

// Measure judges a control's record, and takes the figures of each experiment
// of another run in the same seconds: the same customers asked for the same.
func Measure(rec *chaos.Record, with chaos.Result) Control {
	c := Control{Result: Judge(rec), Rows: map[string][]chaos.Row{}, Unfit: map[string]string{}}
	m := newMeter(rec)
	gates(m)
	for _, e := range with.Experiments {
		i := slices.IndexFunc(m.views, func(v *view) bool { return v.Name == e.Name })
		if i < 0 {
			c.Unfit[e.Name] = "the control has no such experiment"
			continue
		}
		v := m.views[i]
		v.fault, v.after = e.Fault, e.After
		v.lifted = e.After.From
		c.Rows[e.Name] = rows(v)
		switch {
		case !m.sound:
			c.Unfit[e.Name] = unsoundness(c.Result)
		case m.stop < math.Max(e.Fault.To, e.After.From):
			c.Unfit[e.Name] = fmt.Sprintf("the control ended at %.0f s, before the other run's fault was over", m.stop)
		case v.late() != "":
			c.Unfit[e.Name] = v.late()
		}
	}
	return c
}

// unsoundness is the first condition of a run that did not hold.
func unsoundness(r chaos.Result) string {
	for _, g := range r.Gates {
		if !g.OK {
			return g.Text
		}
	}
	return ""
}
