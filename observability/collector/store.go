package collector

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"sync"
	"time"
)

// A Store holds the spans of a run in memory and answers questions about
// them. It is safe for concurrent use; questions do not hold up the receiver.
type Store struct {
	mu    sync.RWMutex
	words words
	// Records lie in blocks, in order of arrival. A record is never changed
	// and a block never moved, so that readers need the lock only to learn
	// how many there are.
	blocks []*[blockLen]record
	zones  []zone // of each block
	n      int
	last   map[TraceID]uint32 // the newest record of a trace; record.before leads to the others
	order  []attr             // insert's own

	metrics metricTable
	stats   Stats // of a loaded store
}

// blockLen is how many records a block has: 4096 spans are one or two seconds
// of a shop under load, narrow enough for a window of a few seconds to skip
// nearly everything, and few enough blocks (250 for a million spans) to look
// at each one's zone.
const blockLen = 4096

// A record is a span with numbers in place of its words: 88 bytes without a
// pointer, so that the garbage collector does not look at spans at all.
type record struct {
	trace        TraceID
	id, parent   SpanID
	start, end   int64 // nanoseconds since 1970
	before       uint32
	service      uint32
	instance     uint32
	name         uint32
	message      uint32
	peer         uint32
	peerInstance uint32
	code         uint32
	attrs        uint32 // a word: pairs of words' numbers as varints, by key
	attempt      uint16
	kind         Kind
	failed       bool
}

// none ends the chain of a trace's records.
const none = math.MaxUint32

// A zone bounds the times of a block's records: what a window misses, it need
// not look into. Spans come nearly in order of time, so zones overlap little.
type zone struct{ start, end int64 }

func newStore() *Store {
	return &Store{words: newWords(), last: map[TraceID]uint32{}, metrics: newMetricTable()}
}

// insert takes every span of a request in. The caller holds s.mu.
func (s *Store) insert(q *request) {
	for i := range q.spans {
		v := &q.spans[i]
		r := record{
			trace: v.trace, id: v.id, parent: v.parent, start: v.start, end: v.end,
			before: none, attempt: v.attempt, kind: v.kind, failed: v.failed,
			service: s.words.of(v.service), instance: s.words.of(v.instance),
			name: s.words.of(v.name), message: s.words.of(v.message),
			peer: s.words.of(v.peer), peerInstance: s.words.of(v.peerInstance),
			code: s.words.of(v.code), attrs: s.attrs(q.attrs[v.from:v.to]),
		}
		if n, ok := s.last[v.trace]; ok {
			r.before = n
		}
		block, at := s.n/blockLen, s.n%blockLen
		if at == 0 {
			s.blocks = append(s.blocks, new([blockLen]record))
			s.zones = append(s.zones, zone{start: math.MaxInt64, end: math.MinInt64})
		}
		s.blocks[block][at] = r
		z := &s.zones[block]
		z.start, z.end = min(z.start, r.start), max(z.end, r.end)
		s.last[v.trace] = uint32(s.n)
		s.n++
	}
}

// attrs returns the word that stands for a whole set of attributes: spans of
// the same call to the same method have the same set, and so the same word.
func (s *Store) attrs(attrs []attr) uint32 {
	if len(attrs) == 0 {
		return 0
	}
	s.order = append(s.order[:0], attrs...)
	slices.SortStableFunc(s.order, func(a, b attr) int { return cmp.Compare(string(a.key), string(b.key)) })
	packed := make([]byte, 0, 128)
	for i, a := range s.order {
		if i > 0 && string(a.key) == string(s.order[i-1].key) {
			continue // OTLP forbids a key twice; the first stands
		}
		packed = binary.AppendUvarint(packed, uint64(s.words.of(a.key)))
		packed = binary.AppendUvarint(packed, uint64(s.words.of(a.value)))
	}
	clear(s.order)
	return s.words.of(packed)
}

// Trace returns the spans of one trace, by start; nil if there are none.
func (s *Store) Trace(id TraceID) []Span {
	s.mu.RLock()
	p := s.look()
	i, ok := s.last[id]
	s.mu.RUnlock()
	if !ok {
		return nil
	}
	var spans []Span
	for i != none {
		r := p.record(int(i))
		spans = append(spans, p.span(r))
		i = r.before
	}
	slices.Reverse(spans) // in order of arrival, which decides between equal starts
	slices.SortStableFunc(spans, func(a, b Span) int { return a.Start.Compare(b.Start) })
	return spans
}

// Between calls yield for each span that overlaps [from, to), in order of
// arrival, until it returns false. A span without a length overlaps the window
// that it lies in. Spans that arrive meanwhile are not seen.
func (s *Store) Between(from, to time.Time, yield func(Span) bool) {
	p := s.snapshot()
	p.between(nanos(from), nanos(to), func(r *record) bool { return yield(p.span(r)) })
}

// Len is the number of spans in the store.
func (s *Store) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.n
}
