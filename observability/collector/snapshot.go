package collector

import (
	"encoding/binary"
	"math"
	"slices"
	"time"
)

// A snapshot is what a store holds at one moment, readable without its lock.
type snapshot struct {
	text   []string
	blocks []*[blockLen]record
	zones  []zone
	n      int
}

func (s *Store) snapshot() snapshot {
	s.mu.RLock()
	defer s.mu.RUnlock()
	p := s.look()
	p.zones = slices.Clone(s.zones) // the last zone still changes; nothing else here does
	return p
}

// look is a snapshot without zones. The caller holds s.mu.
func (s *Store) look() snapshot {
	return snapshot{text: s.words.text, blocks: s.blocks, n: s.n}
}

func (p *snapshot) record(i int) *record { return &p.blocks[i/blockLen][i%blockLen] }

// span spells a record out.
func (p *snapshot) span(r *record) Span {
	return Span{
		Trace: r.trace, ID: r.id, Parent: r.parent, Kind: r.kind,
		Service: p.text[r.service], Instance: p.text[r.instance], Name: p.text[r.name],
		Start: time.Unix(0, r.start).UTC(), End: time.Unix(0, r.end).UTC(),
		Error: r.failed, Message: p.text[r.message],
		Peer: p.text[r.peer], PeerInstance: p.text[r.peerInstance],
		Attempt: int(r.attempt), Code: p.text[r.code], Attrs: p.attrs(r.attrs),
	}
}

func (p *snapshot) attrs(word uint32) map[string]string {
	if word == 0 {
		return nil
	}
	m := map[string]string{}
	p.eachAttr(word, func(key, value string) bool { m[key] = value; return true })
	return m
}

func (p *snapshot) eachAttr(word uint32, yield func(key, value string) bool) {
	for b := []byte(p.text[word]); len(b) > 0; {
		k, size := binary.Uvarint(b)
		b = b[size:]
		v, size := binary.Uvarint(b)
		b = b[size:]
		if !yield(p.text[k], p.text[v]) {
			return
		}
	}
}

// between calls yield for each record that overlaps [from, to).
func (p *snapshot) between(from, to int64, yield func(*record) bool) {
	for b, z := range p.zones {
		if z.start >= to || z.end < from {
			continue
		}
		for i := range min(blockLen, p.n-b*blockLen) {
			r := &p.blocks[b][i]
			if r.start < to && (r.end > from || r.start >= from) && !yield(r) {
				return
			}
		}
	}
}

// nanos is t in nanoseconds since 1970; times that do not fit are as far away
// as can be, so that the zero time means "from the beginning".
func nanos(t time.Time) int64 {
	switch {
	case t.Before(time.Unix(0, math.MinInt64)):
		return math.MinInt64
	case t.After(time.Unix(0, math.MaxInt64)):
		return math.MaxInt64
	}
	return t.UnixNano()
}
