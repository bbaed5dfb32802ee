package impair

import (
	"errors"
	"fmt"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/topology"
)

// The kinds of harm to what an instance has of its machine. Those of the
// processor and of memory need cgroups of its own; the others only its process.
const (
	CPUQuota        = "cpu_quota"
	CPUHog          = "cpu_hog"
	MemoryBalloon   = "memory_balloon"
	FileDescriptors = "file_descriptors"
	ClockSkew       = "clock_skew"
)

// A Quota leaves an instance that many processors' time, and stops it for the
// rest of each [QuotaPeriod].
type Quota struct {
	CPUs float64 `json:"cpus"`
}

// QuotaPeriod is how often the kernel gives a quota out: its own choice.
const QuotaPeriod = 100 * time.Millisecond

// The quotas that can be meant: the kernel gives out no less than a millisecond
// in each period, and of more than half a processor a service under test seldom
// notices anything, so that nothing could be proven.
const (
	leastCPUs = 0.01
	mostCPUs  = 0.5
)

// Validate says what is wrong with q.
func (q Quota) Validate() error {
	if !(q.CPUs >= leastCPUs && q.CPUs <= mostCPUs) {
		return fmt.Errorf("cpus must be between %g and %g", leastCPUs, mostCPUs)
	}
	return nil
}

// A Hog is busy threads beside an instance, which compete with its own.
type Hog struct {
	Workers int `json:"workers"`
}

// mostWorkers leaves an instance room for threads of its own below the most
// that its cgroup allows.
const mostWorkers = 64

// Validate says what is wrong with h.
func (h Hog) Validate() error {
	if h.Workers < 1 || h.Workers > mostWorkers {
		return fmt.Errorf("workers must be between 1 and %d", mostWorkers)
	}
	return nil
}

// A Balloon takes a share of an instance's memory limit. It is the first that
// the kernel ends when the rest is not enough, so that it does not kill.
type Balloon struct {
	Memory deploy.Percent `json:"memory"`
}

// Of less than a hundredth nobody could notice anything; the rest of all is
// less than any instance needs.
const (
	leastMemory deploy.Percent = 1
	mostMemory  deploy.Percent = 98
)

// Validate says what is wrong with b.
func (b Balloon) Validate() error {
	if b.Memory < leastMemory || b.Memory > mostMemory {
		return fmt.Errorf("memory must be between %g and %g percent of the limit", leastMemory, mostMemory)
	}
	return nil
}

// A Descriptors leaves an instance that many file descriptors more than it has
// open when it is done.
type Descriptors struct {
	Spare int `json:"spare"`
}

// mostSpare is what a probe can use up by connections of its own.
const mostSpare = 1000

// Validate says what is wrong with d.
func (d Descriptors) Validate() error {
	if d.Spare < 0 || d.Spare > mostSpare {
		return fmt.Errorf("spare must be between 0 and %d", mostSpare)
	}
	return nil
}

// A Skew is how far an instance's wall clock is ahead, or behind if negative.
type Skew struct {
	Skew topology.Duration `json:"skew"`
}

// The skews that can be meant. Below the least, a time in whole seconds that was
// on its way for a moment shows nothing; the most keeps it among the years that
// every format can tell.
const (
	leastSkew = topology.Duration(5 * time.Second)
	mostSkew  = topology.Duration(10 * 365 * 24 * time.Hour)
)

// Validate says what is wrong with s.
func (s Skew) Validate() error {
	switch far := max(s.Skew, -s.Skew); {
	case s.Skew == 0:
		return errors.New("skew is missing: how far the clock is ahead, such as 1h or -90s")
	case far < leastSkew || far > mostSkew:
		return fmt.Errorf("skew must be between %s and %s, either way", leastSkew, mostSkew)
	}
	return nil
}
