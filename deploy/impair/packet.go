package impair

import (
	"errors"
	"fmt"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/topology"
)

// The kinds of harm to packets, each of which an instance can have beside the
// others. They need a network namespace of its own.
const (
	PacketDelay     = "packet_delay"
	PacketLoss      = "packet_loss"
	PacketDuplicate = "packet_duplicate"
	PacketCorrupt   = "packet_corrupt"
	PacketBandwidth = "packet_bandwidth"
	PacketPartition = "packet_partition"
)

// A Delay makes packets that arrive late: each by Latency, give or take up to
// Jitter, whichever is then due first. Reorder is the share of those that are
// not made late at all, and so overtake the others.
type Delay struct {
	Latency topology.Duration `json:"latency"`
	Jitter  topology.Duration `json:"jitter,omitempty"`
	Reorder deploy.Percent    `json:"reorder,omitempty"`
}

// longest bounds a delay: TCP gives a connection up after some minutes, so more
// than this is a wrong unit.
const longest = time.Minute

// Validate says what is wrong with d.
func (d Delay) Validate() error {
	switch {
	case d.Latency <= 0 || d.Latency.D() > longest:
		return fmt.Errorf("latency must be more than 0 and at most %s", longest)
	case d.Jitter < 0 || d.Jitter > d.Latency:
		return errors.New("jitter must be between 0 and latency")
	case d.Reorder == 100:
		return errors.New("reorder must be less than 100 percent: those that overtake need some to overtake")
	}
	return nil
}

// Loss throws a share of the packets that arrive away.
type Loss struct {
	Loss deploy.Percent `json:"loss"`
}

// Validate says what is wrong with l.
func (l Loss) Validate() error { return some("loss", l.Loss) }

// Duplicate has a share of the packets arrive twice.
type Duplicate struct {
	Duplicate deploy.Percent `json:"duplicate"`
}

// Validate says what is wrong with d.
func (d Duplicate) Validate() error { return some("duplicate", d.Duplicate) }

// Corrupt turns one bit over in a share of the packets that arrive, behind the
// IP header, so that the receiver's own checksum finds it.
type Corrupt struct {
	Corrupt deploy.Percent `json:"corrupt"`
}

// Validate says what is wrong with c.
func (c Corrupt) Validate() error { return some("corrupt", c.Corrupt) }

// leastPercent is the least share that can be proven within a fault phase: of
// some thousand packets, five.
const leastPercent = 0.5

func some(name string, p deploy.Percent) error {
	if p < leastPercent {
		return fmt.Errorf("%s must be between %g and 100 percent", name, leastPercent)
	}
	return nil
}

// Bandwidth narrows what leaves to a rate, in bytes of payload.
type Bandwidth struct {
	Rate deploy.Rate `json:"rate"`
}

// mostRate is more than a link between two namespaces of a small machine
// carries; no limit above it would be one.
const mostRate deploy.Rate = 1e9

// Validate says what is wrong with b.
func (b Bandwidth) Validate() error {
	switch {
	case b.Rate == 0:
		return errors.New("rate is missing: a limit such as 64KB/s or 1mbit")
	case b.Rate > mostRate:
		return fmt.Errorf("rate must be at most %s", mostRate)
	}
	return nil
}

// Partition throws every packet away: those that arrive (in), those that are
// sent (out), or both, which is also what an empty way means.
type Partition struct {
	Way string `json:"way,omitempty"`
}

// The ways of a partition, as the instance sees them.
const (
	In   = "in"
	Out  = "out"
	Both = "both"
)

// Validate says what is wrong with p.
func (p Partition) Validate() error {
	switch p.Way {
	case "", In, Out, Both:
		return nil
	}
	return fmt.Errorf("unknown way %q (want %s, %s or %s)", p.Way, In, Out, Both)
}
