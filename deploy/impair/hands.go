package impair

import (
	"context"
	"encoding/json"

	"github.com/bedlamlab/bedlam/deploy"
)

// A Job is one impairment of one instance.
type Job struct {
	Impairment deploy.Impairment `json:"impairment"`
	Target     Target            `json:"target"`
	Before     json.RawMessage   `json:"before,omitempty"` // what the harm has saved
}

// Hands do jobs where the instances are: on this machine, those of a plane that
// [New] returns; elsewhere, those of an engine that knows how to get there. All of
// their methods may be called at once, but not for the same job.
type Hands interface {
	// Can reports, without touching anything, what is missing: see [Harm].
	Can(ctx context.Context, j Job) error
	// Do does it and returns when it shows. Before the first change it calls
	// save, if Undo is to know what was there before.
	Do(ctx context.Context, j Job, save func(before json.RawMessage) error) error
	// Undo takes it away, and returns when it does not show any more. It is also
	// called for what was done in part or not at all, by any process, and twice.
	// The job's target is as it is now.
	Undo(ctx context.Context, j Job) error
	// Shows reports whether the kernel has it in force.
	Shows(ctx context.Context, j Job) (bool, error)
	// Close lets go of what needs this process to be in force.
	Close()
}
