package check_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/check"
	"github.com/bedlamlab/bedlam/loadgen"
)

// unharmed is the golden run's record as a control's.
func unharmed() *world {
	w := golden()
	w.plan.Control = true
	w.journal = slices.DeleteFunc(w.journal, func(e chaos.Entry) bool {
		return slices.Contains([]chaos.EntryKind{chaos.Injecting, chaos.Injected, chaos.Proven, chaos.Lifting, chaos.Lifted, chaos.LiftProven}, e.Kind)
	})
	return w
}

// worse is a control of which half of the requests of some seconds fail.
func worse() *world {
	w := unharmed()
	for i := range w.requests {
		if r := &w.requests[i]; r.Due.Seconds() > 13 && r.Due.Seconds() < 24 && i%2 == 0 {
			r.Outcome, r.Reason = loadgen.Failed, "refused"
		}
	}
	return w
}

func TestAlarms(t *testing.T) {
	t.Parallel()
	if aa := check.Alarms(unharmed().record(), unharmed().record()); aa.Alarm != "" || aa.Unfit != "" {
		t.Errorf("the same run twice: alarm %q, unfit %q", aa.Alarm, aa.Unfit)
	}
	if aa := check.Alarms(worse().record(), unharmed().record()); !strings.Contains(aa.Alarm, "goodput") {
		t.Errorf("half of the requests fail in one of two: alarm %q, unfit %q", aa.Alarm, aa.Unfit)
	}
	if aa := check.Alarms(unharmed().record(), worse().record()); aa.Alarm != "" {
		t.Errorf("better than before: alarm %q", aa.Alarm)
	}
	torn := unharmed()
	torn.torn = []string{"a torn tail"}
	if aa := check.Alarms(torn.record(), unharmed().record()); !strings.Contains(aa.Unfit, "torn") || aa.Alarm != "" {
		t.Errorf("a torn record: alarm %q, unfit %q", aa.Alarm, aa.Unfit)
	}
	short := unharmed()
	short.journal = slices.DeleteFunc(short.journal, func(e chaos.Entry) bool { return e.Kind == chaos.ExperimentEnded })
	if aa := check.Alarms(short.record(), unharmed().record()); aa.Unfit == "" {
		t.Error("a run that ended before its experiments is compared")
	}
}

func TestAlarmOver(t *testing.T) {
	t.Parallel()
	same := check.Alarms(unharmed().record(), unharmed().record()).Pair
	differs := check.Alarms(worse().record(), unharmed().record()).Pair
	es := unharmed().plan.Experiments
	if alarm := check.AlarmOver(six, es, slices.Repeat([]check.Pair{same}, 6)); alarm != "" {
		t.Errorf("the same six times: %s", alarm)
	}
	if alarm := check.AlarmOver(six, es, slices.Repeat([]check.Pair{differs}, 6)); !strings.Contains(alarm, "goodput") {
		t.Errorf("worse six times: %q", alarm)
	}
}
