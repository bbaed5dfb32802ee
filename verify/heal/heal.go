// Package heal shows, by doing it, that whatever Bedlam breaks is put back
// however Bedlam itself ends: it starts real runs, interrupts or kills them at
// seeded moments and looks, past everything that Bedlam knows, at what is left
// of them.
//
// [Prove] does a whole series and appends a [Proof] of each moment to a file;
// it can be cut short and goes on where it was. [One] does a single moment.
// [Moments] draws them.
//
//	prepare a fresh state, cache and tmp folder → bedlam run → wait for the moment
//	→ signal → look again and again until nothing is left, or patience is at its end
//
// It reads /proc, so it is for Linux.
package heal

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bedlamlab/bedlam/chaos"
)

// Limit is how long after the signal something may still be left of an
// engine's run: the removal of a container alone takes some 100 ms of the
// daemon's time.
func Limit(engine string) time.Duration {
	if engine == Docker {
		return 10 * time.Second
	}
	return 5 * time.Second
}

// patience is how long is waited for what should have been gone within the
// limit, to tell what is slow from what stays.
const patience = time.Minute

// Options say what to prove, and where.
type Options struct {
	Programs string // folder of the bedlam and shop programs
	Engine   string // empty: process
	Seed     uint64
	Moments  int    // how many
	Faults   bool   // do [Cases] in place of a seed's moments
	Workers  int    // scenes side by side, each on a ground of its own; 0: what suits the moments, see [Workers]
	Results  string // file that proofs are appended to; what it has of this commit and seed is not done again
	Commit   string
	Machine  chaos.Machine
	Tell     func(string) // one line for each; may be nil
}

// A Proof is one line of the results: what one moment came to.
type Proof struct {
	Commit  string        `json:"commit"`
	Date    time.Time     `json:"date"`
	Machine chaos.Machine `json:"machine"`
	Seed    uint64        `json:"seed"`
	Index   int           `json:"index"` // of the moment, from 0
	Moment
	Exit    int     `json:"exit"`              // of the run; -1: it was ended by the signal
	Verdict string  `json:"verdict,omitempty"` // that its folder is judged with; empty: there is nothing to judge yet
	Seconds float64 `json:"seconds"`           // from the signal (with both killed: from the next start; with the guard: from the interrupt) until nothing was left
	// Of a moment with a fault: the last line of the journal when the run was
	// dead, the seconds (from the same moment) until no harm could be seen, and
	// why this engine cannot do it, if it cannot.
	Struck chaos.EntryKind `json:"struck,omitempty"`
	Harm   []string        `json:"harm,omitempty"` // with both or the guard killed: what was seen before the next start or the interrupt
	// Witness is who has shown the harm after the signal: empty if it was lifted
	// before anybody could look.
	Witness Witness `json:"witness,omitempty"`
	Lifted  float64 `json:"lifted,omitempty"`
	Unable  string  `json:"unable,omitempty"`

	Left    []string `json:"left,omitempty"`    // after [Limit], or at the end of all patience
	Reasons []string `json:"reasons,omitempty"` // why it is not as it should be
	Missed  string   `json:"missed,omitempty"`  // why the moment shows nothing: it came too late, or not at all
	OK      bool     `json:"ok"`
}

// Workers is how many scenes go side by side if nobody says. Most of a moment
// with a fault is waiting, for a warm-up and a baseline; one of a seed may be a
// bring-up, which takes the whole of a small machine and is measured.
func Workers(faults bool) int {
	if faults {
		return 3 // on two processors, what three runs do keeps about one busy
	}
	return 1
}

// Prove does the moments of a seed and returns the proofs of all of them, also
// of those that the results had already. They are told and appended as they are
// done, and returned in their order.
func Prove(ctx context.Context, o Options) ([]Proof, error) {
	s, err := o.series()
	if err != nil {
		return s.done, err
	}
	if o.Workers < 1 {
		o.Workers = Workers(o.Faults)
	}
	work, ctx := errgroup.WithContext(ctx)
	for range o.Workers {
		work.Go(func() error { return s.work(ctx) })
	}
	err = work.Wait()
	slices.SortFunc(s.done, func(a, b Proof) int { return a.Index - b.Index })
	return s.done, err
}

// tries is how often a step is aimed at. Some are over within a millisecond,
// and who kills has to see them first.
const tries = 5

// struck does a moment, again if its step was over before the kill came, or did
// not come; not if something is wrong.
func struck(ctx context.Context, g *Ground, m Moment) (p Proof, err error) {
	for range tries {
		p, err = One(ctx, g, m, patience)
		landed := p.Missed == "" && p.Struck == chaos.EntryKind(m.Phase)
		if err != nil || len(p.Reasons) > 0 || m.Fault == "" || p.Unable != "" || landed {
			break
		}
	}
	return p, err
}

// String returns the proof in one line.
func (p Proof) String() string {
	if p.Unable != "" {
		return fmt.Sprintf("%2d %-45s %s", p.Index, p.Fault, p.Unable)
	}
	verdict := p.Verdict
	if verdict == "" {
		verdict = "nothing to judge"
	}
	text := fmt.Sprintf("%2d %-45s exit %d, %s, clean after %.2f s", p.Index, p.Moment, p.Exit, verdict, p.Seconds)
	if p.Fault != "" {
		text += fmt.Sprintf(", lifted after %.2f s, struck at %s", p.Lifted, p.Struck)
		if p.Witness != "" {
			text += ", shown by " + string(p.Witness)
		}
	}
	for _, r := range p.Reasons {
		text += "\n   NOT OK: " + r
	}
	if p.Missed != "" {
		text += "\n   NOT OK: the moment shows nothing: " + p.Missed
	}
	return text
}
