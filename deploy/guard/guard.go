// Package guard sees to it that whatever a run breaks is put back, also when
// the run's own process is killed with -9 in the middle.
//
// It has two parts. The registry is a folder per user that names every run of
// this machine: [Register] before anything is started, [Registration.Renew]
// about every second, [Registration.Close] when all is clean. The guard is a
// separate process that watches one entry: [Start] spawns it, [Main] is what it
// runs. If the guard dies too, [Stale] finds the run at the next start and
// [Heal] heals it.
//
//	owner   ──Register──Start──Renew──Renew──Renew──✗ (kill -9)
//	guard                └─────── watches ──────────┤ pipe ends: Heal(lift, sweep)
//	owner   ──Register──Start──Renew── hangs ……………………………… Renew = ErrLeaseLost
//	guard                └─────── watches ── lease out: lift ┘
//
// Who owns a run is decided by flock(2) on its entry, which the kernel takes
// from the owner however the owner dies. How to heal is not known here: the
// caller hands it in.
package guard

import (
	"errors"
	"fmt"
	"regexp"
	"time"
)

// Lease is how long an owner may go without [Registration.Renew] before it
// counts as hanging. Owners renew every second; five missed in a row are no
// longer a busy machine.
const Lease = 5 * time.Second

// ErrLeaseLost says that the owner was silent for longer than its lease and
// that its faults have been, or are just being, lifted behind its back.
var ErrLeaseLost = errors.New("the lease was lost")

// A Run is one entry of the registry: all that somebody else needs to heal it.
type Run struct {
	ID      string    `json:"id"`      // letters, digits, '.', '_' and '-'; unique among the runs of this user
	Engine  string    `json:"engine"`  // name of the engine that runs the system
	Scratch string    `json:"scratch"` // the engine's scratch folder
	Folder  string    `json:"folder"`  // the run folder, which holds the journal; may be empty
	Program string    `json:"program"` // the bedlam binary that made the run
	PID     int       `json:"pid"`     // of the owner
	Started time.Time `json:"started"`

	// Hanging is set for a heal while the owner still lives but is silent:
	// lift the faults and leave the system itself alone, because its owner
	// may wake up. It is never stored.
	Hanging bool `json:"-"`
}

// identity bounds what may become a file name; 128 is half of what file
// systems take, which leaves room for the endings.
var identity = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

func (r Run) validate() error {
	switch {
	case !identity.MatchString(r.ID):
		return fmt.Errorf("run id %q: want 1 to 128 letters, digits, dots, underscores and dashes", r.ID)
	case r.Engine == "":
		return fmt.Errorf("run %s names no engine", r.ID)
	case r.PID < 1:
		return fmt.Errorf("run %s: owner has process id %d", r.ID, r.PID)
	}
	return nil
}
