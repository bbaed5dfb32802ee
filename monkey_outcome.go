package bedlam

import (
	"errors"
	"fmt"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/check"
	"github.com/bedlamlab/bedlam/chaos/monkey"
	"github.com/bedlamlab/bedlam/chaos/runner"
	"github.com/bedlamlab/bedlam/topology"
)

// A MonkeyOutcome is what a monkey came to: monkey.json. Of a dry run it is
// what would be done.
type MonkeyOutcome struct {
	Folder  string        `json:"-"`
	Verdict chaos.Verdict `json:"verdict"`
	Exit    int           `json:"exit"` // as a run's
	Reasons []string      `json:"reasons"`
	Counts  monkey.Counts `json:"counts"`
	// Goodput is the share of good responses over intended ones, of all the
	// time, while a fault was on, and while none was.
	Goodput [3]Share          `json:"goodput"`
	Audit   []chaos.AuditLine `json:"audit"`
	// Meetings are of all faults with the customers: the second witness, which
	// decides nothing here.
	Meetings Meetings      `json:"meetings"`
	Faults   []MonkeyFault `json:"faults"` // the last thousand

	Dry     bool              `json:"-"`
	Planned []chaos.Resolved  `json:"-"`
	For     topology.Duration `json:"-"` // how far ahead Planned looks
	Targets []monkey.Choice   `json:"-"` // what the schedule draws from
	LeftOut []string          `json:"-"` // what the engine cannot do
	Assumed string            `json:"-"` // what Planned takes for granted
}

// A Share is a part of a whole.
type Share struct {
	Of   int     `json:"of"`
	Good float64 `json:"good"` // from 0 to 1; 0 of nothing
}

// outcome judges what was recorded. Nothing is a PASS but faults that were all
// proven and lifted, and data that is right.
func (r *monkeyRun) outcome(err error) (MonkeyOutcome, error) {
	out := MonkeyOutcome{Folder: r.folder, Reasons: []string{}, Audit: []chaos.AuditLine{}, Faults: []MonkeyFault{}, LeftOut: r.deeds.leftOut}
	verdicts := []chaos.Verdict{chaos.Pass}
	add := func(v chaos.Verdict, format string, args ...any) {
		verdicts = append(verdicts, v)
		out.Reasons = append(out.Reasons, fmt.Sprintf(format, args...))
	}
	var history []monkey.Fault
	if r.m != nil {
		out.Counts, history = r.m.Status().Counts, r.m.History()
	}
	notLifted := out.Counts.NotLifted > 0 || errors.Is(err, runner.ErrNotLifted)
	if notLifted {
		add(chaos.Inconclusive, "%d faults could not be lifted: bedlam heal tries again", out.Counts.NotLifted)
	}
	rec, readErr := readRecord(r.folder)
	if readErr != nil {
		rec = &chaos.Record{}
	} else {
		out.judge(check.Judge(rec), add)
		out.measure(rec)
	}
	readErr = errors.Join(readErr, out.witness(rec, history))
	if n := out.Counts; n.Injected == 0 {
		add(chaos.Inconclusive, "no fault was injected")
	} else if n.Unproven > 0 {
		add(chaos.Inconclusive, "%d of %d faults were seen by no probe", n.Unproven, n.Injected)
	}
	if out.Counts.Failed > 0 {
		add(chaos.Inconclusive, "%d faults could not be injected", out.Counts.Failed)
	}
	if err != nil {
		add(chaos.Inconclusive, "the run was cut short")
	}
	out.Verdict = chaos.Worst(verdicts...)
	switch {
	case notLifted:
		out.Exit = 4
	case out.Verdict == chaos.Fail:
		out.Exit = 1
	case out.Verdict == chaos.Inconclusive:
		out.Exit = 3
	}
	return out, errors.Join(err, readErr, writeJSON(r.folder, monkeyFile, out))
}

// judge takes from a judgement what a monkey is judged by: the data. It has no
// experiment, and no baseline.
func (out *MonkeyOutcome) judge(res chaos.Result, add func(chaos.Verdict, string, ...any)) {
	out.Audit = res.Audit
	unread := 0
	why := ""
	for _, l := range res.Audit {
		switch l.Verdict {
		case chaos.Fail:
			add(chaos.Fail, "%s: %s", l.Name, l.Text)
		case chaos.Inconclusive:
			if unread++; why == "" {
				why = l.Text
			}
		}
	}
	if unread > 0 {
		add(chaos.Inconclusive, "%d of %d checks of the data could say nothing: %s", unread, len(res.Audit), why)
	}
	for _, g := range res.Gates {
		if g.Name == "record" && !g.OK {
			add(chaos.Inconclusive, "%s", g.Text)
		}
	}
}

// measure counts the good responses of all the time, and of that in which a
// fault was on, by the journal.
func (out *MonkeyOutcome) measure(rec *chaos.Record) {
	begins := map[string]time.Time{}
	type window struct{ from, to time.Time }
	var on []window
	for _, e := range rec.Journal {
		switch e.Kind {
		case chaos.Injected:
			begins[e.ID] = e.Time
		case chaos.Lifted:
			if from, ok := begins[e.ID]; ok {
				on = append(on, window{from, e.Time})
			}
		}
	}
	var good, of [3]int
	next := 0 // window that may not be over; both are in order of time
	for i := range rec.Requests {
		q := &rec.Requests[i]
		if q.Surge != "" {
			continue
		}
		due := rec.Header.Start.Add(q.Due)
		for next < len(on) && !due.Before(on[next].to) {
			next++
		}
		phase := 2
		for _, w := range on[next:] {
			if !due.Before(w.from) && due.Before(w.to) {
				phase = 1
				break
			}
		}
		for _, p := range []int{0, phase} {
			if of[p]++; q.Useful() {
				good[p]++
			}
		}
	}
	for p := range of {
		if out.Goodput[p].Of = of[p]; of[p] > 0 {
			out.Goodput[p].Good = float64(good[p]) / float64(of[p])
		}
	}
}
