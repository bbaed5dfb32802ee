package disk

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/topology"
)

// An Ailment is one thing that is wrong with a disk: a [Full], a [Slow] or a
// [ReadOnly]. A disk can have one of each name at a time.
type Ailment interface {
	Name() string
	Validate() error // says in one line what is wrong with it
}

// The names of the ailments.
const (
	FullName     = "full"
	SlowName     = "slow"
	ReadOnlyName = "read_only"
)

// A Full disk has so many bytes left for files to grow; then they do not
// (ENOSPC). What is in a file already can be written over, as on any full disk,
// and what is removed or cut off makes room again.
type Full struct {
	Free int64 `json:"free,omitempty"` // bytes
}

// mostFree is more than a store under test writes before it makes room again.
const mostFree = 256 << 20

// Name implements [Ailment].
func (Full) Name() string { return FullName }

// Validate implements [Ailment].
func (f Full) Validate() error {
	if f.Free < 0 || f.Free > mostFree {
		return fmt.Errorf("free must be between 0 and %d bytes", mostFree)
	}
	return nil
}

// An Operation is one that a slow disk is slow at.
type Operation string

// The operations.
const (
	Read  Operation = "read" // of what the kernel has not got in memory
	Write Operation = "write"
	Fsync Operation = "fsync"
)

// operations are all of them, which is also what none means.
var operations = []Operation{Read, Write, Fsync}

// A Slow disk takes longer for a share of its operations, each by as much.
type Slow struct {
	Latency topology.Duration `json:"latency"`
	Percent deploy.Percent    `json:"percent"`
	// Operations are those that take longer; none: all.
	Operations []Operation `json:"operations,omitempty"`
	Seed       uint64      `json:"seed,omitempty"` // of the draws, if not all are
}

// The least latency can be told from that of a disk which many share. A program
// that waits for its disk cannot be ended, and the most is well below the time
// that an engine has to do so. The least share shows within a second of a
// store's work.
const (
	leastLatency = topology.Duration(5 * time.Millisecond)
	mostLatency  = topology.Duration(time.Second)

	leastPercent deploy.Percent = 5
)

// Name implements [Ailment].
func (Slow) Name() string { return SlowName }

// Validate implements [Ailment].
func (s Slow) Validate() error {
	switch {
	case s.Latency < leastLatency || s.Latency > mostLatency:
		return fmt.Errorf("latency must be between %s and %s", leastLatency, mostLatency)
	case s.Percent < leastPercent || s.Percent > 100:
		return fmt.Errorf("percent must be between %g and 100", leastPercent)
	}
	for i, o := range s.Operations {
		switch {
		case !slices.Contains(operations, o):
			return fmt.Errorf("unknown operation %.40q (want read, write or fsync)", o)
		case slices.Contains(s.Operations[:i], o):
			return fmt.Errorf("operation %s stands there twice", o)
		}
	}
	return nil
}

// Slows returns the operations that take longer.
func (s Slow) Slows() []Operation {
	if len(s.Operations) == 0 {
		return operations
	}
	return s.Operations
}

// A ReadOnly disk lets nothing be changed (EROFS).
type ReadOnly struct{}

// Name implements [Ailment].
func (ReadOnly) Name() string { return ReadOnlyName }

// Validate implements [Ailment].
func (ReadOnly) Validate() error { return nil }

// read makes the ailment of that name of what it was told as. Both come from
// outside: nothing is taken that is not meant.
func read(name string, b []byte) (Ailment, error) {
	switch name {
	case FullName:
		return decode[Full](b)
	case SlowName:
		return decode[Slow](b)
	case ReadOnlyName:
		return decode[ReadOnly](b)
	}
	return nil, fmt.Errorf("unknown ailment %.40q", name)
}

func decode[A Ailment](b []byte) (Ailment, error) {
	var a A
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&a); err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("more than one value")
	}
	return a, a.Validate()
}
