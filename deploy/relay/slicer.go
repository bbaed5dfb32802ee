package relay

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/topology"
)

func init() {
	register(Kind{
		Name: "slicer",
		Doc: "Cuts bytes into small pieces, each written on its own, with a delay between them: who takes one read for one message, or counts its patience from byte to byte, is found out. " +
			"No byte is changed. When the rule goes, what waits goes on at once and whole.",
		Args: []Arg{
			{Name: "average_size", Type: "bytes", Doc: "of a piece, from 1 and below 65536"},
			{Name: "size_variation", Type: "bytes", Default: "0", Doc: "how far a size strays, evenly; less than average_size"},
			{Name: "delay", Type: "duration", Default: "0s", Doc: "from one piece to the next on its connection, at the least; up to 10m"},
		},
	}, decodeSlicer)
}

// slicer cuts. Its arguments have the names of Toxiproxy's.
type slicer struct {
	AverageSize   int               `json:"average_size"`
	SizeVariation int               `json:"size_variation"`
	Delay         topology.Duration `json:"delay"`
}

func decodeSlicer(r deploy.Rule) (harm, error) {
	var h slicer
	if err := decodeArgs(r.Args, &h); err != nil {
		return nil, err
	}
	switch d := h.Delay.D(); {
	case h.AverageSize < 1 || h.AverageSize >= readSize:
		return nil, fmt.Errorf("average_size %d is not from 1 to %d: what is read at once is never more", h.AverageSize, readSize-1)
	case h.SizeVariation < 0 || h.SizeVariation >= h.AverageSize:
		return nil, fmt.Errorf("size_variation %d is not from 0 to below average_size", h.SizeVariation)
	case d < 0 || d > longest:
		return nil, fmt.Errorf("delay %v is not within 0s and %v", d, longest)
	}
	return h, nil
}

func (h slicer) meet(draws func(deploy.Direction) *rand.Rand) effect {
	return effect{to: &slicing{slicer: h, draw: draws(deploy.To)}, from: &slicing{slicer: h, draw: draws(deploy.From)}}
}

// slicing is the slicer on one direction of one connection. What waits stays
// whole until its turn, so that a queue of single bytes costs no more than the
// chunk that they come from.
type slicing struct {
	slicer
	draw *rand.Rand
	next time.Time // when a piece may go
}

// shape lets everything wait for its turn. A chunk counts as changed if it is
// too large for any piece.
func (s *slicing) shape(c chunk, emit func(chunk)) bool {
	emit(c)
	return len(c.data) > s.AverageSize+s.SizeVariation
}

// pace keeps pieces apart. An end and a reset follow the last one at once.
func (s *slicing) pace(c chunk, _ time.Time) time.Time {
	if c.mark != payload || c.at.After(s.next) {
		return c.at
	}
	return s.next
}

// cut says how many bytes of the first chunk are the next piece, and counts the
// delay from now on, when that piece really goes.
func (s *slicing) cut(_ chunk, now time.Time) int {
	s.next = now.Add(s.Delay.D())
	return s.AverageSize - s.SizeVariation + s.draw.IntN(2*s.SizeVariation+1)
}
