package deploy

import (
	"context"
	"encoding/json"
)

// An Impairment is one harm that the kernel does to some instances: to their
// packets, their share of the processor, their memory, files, disk or clock.
// What a [Rule] is to the relay, this is to the kernel.
type Impairment struct {
	ID        string   `json:"id"`
	Instances []string `json:"instances"`
	// Kind names the harm. Package impair lists the kinds and the arguments of
	// each.
	Kind string          `json:"kind"`
	Args json.RawMessage `json:"args,omitempty"`
	Seed uint64          `json:"seed"` // of its random draws, where it draws itself
}

// An Impairer has the kernel harm instances.
type Impairer interface {
	// CanImpair reports, before anything is touched, whether Impair could do
	// it here; if not, the error wraps [errors.ErrUnsupported] and says what is
	// missing and what would give it.
	CanImpair(ctx context.Context, i Impairment) error
	// Impair does it and returns when a read-back shows it on every instance.
	// It replaces the impairment of the same ID. On error nothing of it is
	// left. An instance that is started again has its impairments again.
	Impair(ctx context.Context, i Impairment) error
	// Repair takes it away, by any process that is attached to the run, and
	// returns when a read-back shows that it is gone. An unknown ID is no error.
	Repair(ctx context.Context, id string) error
	// Impairments are those that the kernel shows now, each with the instances
	// on which it shows. With an ID, only that one is looked for: another one
	// that cannot be read, as on an instance that is frozen, is nothing to it.
	Impairments(ctx context.Context, id string) ([]Impairment, error)
}
