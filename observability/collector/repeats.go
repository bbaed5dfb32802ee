package collector

import (
	"hash/maphash"
	"sync"
)

// repeatsOf is how many requests are remembered. Twenty processes that export
// three signals once a second make sixty a second, and an exporter gives up
// after a minute.
const repeatsOf = 4096

// repeats recognises requests that come twice. An exporter that did not see
// the answer in time (the collector was short of CPU, or the exporter was
// paused) sends the very same bytes again; taken twice, they would count every
// call in them twice. Ids make different requests differ.
type repeats struct {
	seed  maphash.Seed
	mu    sync.Mutex
	seen  map[uint64]struct{}
	ring  [repeatsOf]uint64
	next  int
	count int64
}

func newRepeats() *repeats {
	return &repeats{seed: maphash.MakeSeed(), seen: make(map[uint64]struct{}, repeatsOf)}
}

// enter reports whether this body came before, and remembers it by sum.
func (r *repeats) enter(path string, body []byte) (sum uint64, again bool) {
	var h maphash.Hash
	h.SetSeed(r.seed)
	h.WriteString(path)
	h.Write(body)
	sum = h.Sum64()
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.seen[sum]; ok && len(body) > 0 {
		r.count++
		return sum, true
	}
	delete(r.seen, r.ring[r.next])
	r.ring[r.next] = sum
	r.next = (r.next + 1) % repeatsOf
	r.seen[sum] = struct{}{}
	return sum, false
}

// forget takes back an enter: the body was refused, and would be again.
func (r *repeats) forget(sum uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.seen, sum)
}

func (r *repeats) counted() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count
}
