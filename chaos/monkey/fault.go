package monkey

import (
	"time"

	"github.com/bedlamlab/bedlam/chaos"
)

// An Origin says who decided on a fault.
type Origin string

// The origins.
const (
	Scheduled Origin = "schedule"
	Replayed  Origin = "replay"
	Asked     Origin = "api"
)

// A State is where a fault is in its life.
type State string

// The states, in the order of a life. LeftOut is the whole life of a fault that
// was never begun; NotLifted is the end of one that nobody could lift.
const (
	LeftOut   State = "left-out"
	Injecting State = "injecting"
	On        State = "on"
	Lifting   State = "lifting"
	Lifted    State = "lifted" // the system says so; not proven yet
	Gone      State = "gone"
	NotLifted State = "not-lifted"
)

// A Fault is one harm and what has become of it.
type Fault struct {
	chaos.Resolved
	Origin   Origin    `json:"origin"`
	State    State     `json:"state"`
	Reason   string    `json:"reason,omitempty"` // why it was left out, not injected or not lifted
	Injected time.Time `json:"injected,omitzero"`
	Lifted   time.Time `json:"lifted,omitzero"`
	Proven   bool      `json:"proven"`          // a probe has seen it
	Proof    string    `json:"proof,omitempty"` // what the probe saw, or saw instead
}

// Counts are faults by what became of them.
type Counts struct {
	Injected  int `json:"injected"`
	Proven    int `json:"proven"`
	Unproven  int `json:"unproven"`
	Gone      int `json:"gone"` // lifted, and proven to be
	NotLifted int `json:"not_lifted"`
	Failed    int `json:"failed"` // begun, and not injected; lifted as the others are
	LeftOut   int `json:"left_out"`
}

// An Event is a change in a fault's life.
type Event struct {
	What  What
	Fault Fault
}

// A What names an event.
type What string

// The events of a fault, in the order of its life; of Injected and Failed one
// comes, of Proven and Unproven one after Injected, and one of the last two.
const (
	WasLeftOut   What = "left-out"
	WasInjected  What = "injected"
	HasFailed    What = "failed"
	WasProven    What = "proven"
	WasUnproven  What = "unproven"
	WasLifted    What = "lifted"
	IsGone       What = "gone"
	WasNotLifted What = "not-lifted"
)
