package bedlam

import (
	"fmt"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/check"
	"github.com/bedlamlab/bedlam/chaos/fault"
	"github.com/bedlamlab/bedlam/chaos/monkey"
)

// A MonkeyFault is a fault of a monkey's, with what its witnesses saw. Its probe
// alone decides: a monkey breaks what comes, also where no customer goes.
type MonkeyFault struct {
	monkey.Fault
	// Witnesses are the requests of customers whose traces met it while it was
	// on; of a surge, its own.
	Witnesses int `json:"witnesses"`
}

// Meetings say which faults customers met.
type Meetings struct {
	// Of are the faults that were injected and that a request can meet, and Met
	// those that one has met.
	Met int `json:"met"`
	Of  int `json:"of"`
	// Alone says why nobody could have: no customers, or no traces.
	Alone string `json:"alone,omitempty"`
}

// witness counts the requests that met each fault, by the journal, the history
// and the traces.
func (out *MonkeyOutcome) witness(rec *chaos.Record, all []monkey.Fault) error {
	faults := map[string]chaos.Fault{}
	injected := map[string]bool{}
	for _, e := range rec.Journal {
		switch {
		case e.Kind == chaos.Injecting && e.Fault != nil:
			f, err := fault.Build(*e.Fault)
			if err != nil {
				return fmt.Errorf("%s: %s: %w", journalFile, e.ID, err)
			}
			faults[e.ID] = f
		case e.Kind == chaos.Injected:
			injected[e.ID] = true
		case e.Kind == chaos.Accounted:
			if f, ok := faults[e.ID].(chaos.Accountant); ok {
				if err := f.Recall(e.Detail); err != nil {
					return fmt.Errorf("%s: %s: %w", journalFile, e.ID, err)
				}
			}
		}
	}
	met := check.Meetings(rec, faults)
	for id, n := range met {
		if injected[id] {
			if out.Meetings.Of++; n > 0 {
				out.Meetings.Met++
			}
		}
	}
	switch {
	case rec.Plan.Lacks["traces"] != "":
		out.Meetings.Alone = rec.Plan.Lacks["traces"]
	case len(rec.Requests) == 0:
		out.Meetings.Alone = "there were no customers"
	}
	for _, f := range all {
		out.Faults = append(out.Faults, MonkeyFault{f, met[f.ID]})
	}
	return nil
}
