package toxiproxy

import (
	"fmt"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/topology"
)

// attributes are what a toxic of one type can be told, in Toxiproxy's words and
// units.
type attributes interface {
	// check says in one line what makes no sense.
	check() error
	// rule says what the relay does for it: a kind of rule and its arguments;
	// no kind if nothing is to be done.
	rule() (kind string, args any)
}

// types makes the attributes of each type. To add one, add its row.
var types = map[string]func() attributes{
	"noop":       func() attributes { return &noop{} },
	"latency":    func() attributes { return &latency{} },
	"bandwidth":  func() attributes { return &bandwidth{} },
	"slow_close": func() attributes { return &slowClose{} },
	"timeout":    func() attributes { return &timeout{} },
	"reset_peer": func() attributes { return &resetPeer{} },
	"slicer":     func() attributes { return &slicer{} },
	"limit_data": func() attributes { return &limitData{} },
}

// longest is the most that the relay delays anything, ten minutes.
const longest = 10 * time.Minute

// within refuses a number of units outside 0 and most.
func within(name string, n int64, most int64) error {
	if n < 0 || n > most {
		return fmt.Errorf("%s %d is not from 0 to %d", name, n, most)
	}
	return nil
}

// ms is a rule's duration of n milliseconds.
func ms(n int64) topology.Duration { return topology.Duration(time.Duration(n) * time.Millisecond) }

type noop struct{}

func (*noop) check() error        { return nil }
func (*noop) rule() (string, any) { return "", nil }

type latency struct {
	Latency int64 `json:"latency"` // milliseconds
	Jitter  int64 `json:"jitter"`  // milliseconds, to both sides
}

func (l *latency) check() error {
	if err := within("latency", l.Latency, longest.Milliseconds()); err != nil {
		return err
	}
	return within("jitter", l.Jitter, longest.Milliseconds())
}

func (l *latency) rule() (string, any) {
	if l.Latency == 0 && l.Jitter == 0 {
		return "", nil
	}
	return "latency", map[string]topology.Duration{"latency": ms(l.Latency), "jitter": ms(l.Jitter)}
}

type bandwidth struct {
	Rate int64 `json:"rate"` // thousands of bytes a second
}

func (b *bandwidth) check() error { return within("rate", b.Rate, int64(deploy.MostRate/1000)) }

// rule: of a rate of 0 nothing gets through, and nothing is lost.
func (b *bandwidth) rule() (string, any) {
	if b.Rate == 0 {
		return "partition", nil
	}
	return "bandwidth", map[string]deploy.Rate{"rate": deploy.Rate(b.Rate) * 1000}
}

type slowClose struct {
	Delay int64 `json:"delay"` // milliseconds
}

func (s *slowClose) check() error { return within("delay", s.Delay, longest.Milliseconds()) }

func (s *slowClose) rule() (string, any) {
	if s.Delay == 0 {
		return "", nil
	}
	return "slow_close", map[string]topology.Duration{"delay": ms(s.Delay)}
}

type timeout struct {
	Timeout int64 `json:"timeout"` // milliseconds; 0: never
}

func (t *timeout) check() error { return within("timeout", t.Timeout, longest.Milliseconds()) }

func (t *timeout) rule() (string, any) {
	return "timeout", map[string]topology.Duration{"timeout": ms(t.Timeout)}
}

type resetPeer struct {
	Timeout int64 `json:"timeout"` // milliseconds
}

func (r *resetPeer) check() error { return within("timeout", r.Timeout, longest.Milliseconds()) }

func (r *resetPeer) rule() (string, any) {
	return "reset_peer", map[string]topology.Duration{"timeout": ms(r.Timeout)}
}

type slicer struct {
	AverageSize   int64 `json:"average_size"`   // bytes
	SizeVariation int64 `json:"size_variation"` // bytes, to both sides
	Delay         int64 `json:"delay"`          // microseconds
}

// largestSlice is the most that the relay reads at once, less one: there is
// nothing larger to slice.
const largestSlice = 64<<10 - 1

func (s *slicer) check() error {
	switch {
	case s.AverageSize < 1 || s.AverageSize > largestSlice:
		return fmt.Errorf("average_size %d is not from 1 to %d", s.AverageSize, largestSlice)
	case s.SizeVariation < 0 || s.SizeVariation >= s.AverageSize:
		return fmt.Errorf("size_variation %d is not from 0 to below average_size", s.SizeVariation)
	}
	return within("delay", s.Delay, longest.Microseconds())
}

func (s *slicer) rule() (string, any) {
	return "slicer", map[string]any{"average_size": s.AverageSize, "size_variation": s.SizeVariation,
		"delay": topology.Duration(time.Duration(s.Delay) * time.Microsecond)}
}

type limitData struct {
	Bytes int64 `json:"bytes"`
}

func (l *limitData) check() error {
	if l.Bytes < 0 {
		return fmt.Errorf("bytes %d is less than 0", l.Bytes)
	}
	return nil
}

func (l *limitData) rule() (string, any) { return "limit_data", map[string]int64{"bytes": l.Bytes} }
