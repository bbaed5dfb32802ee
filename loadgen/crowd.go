package loadgen

import (
	"sync/atomic"
	"time"

	"github.com/bedlamlab/bedlam/loadgen/internal/http1"
)

// A crowd is those whose journeys arrive together: the customers, or a surge's.
// What they ask for, how and at whom is theirs; the clock, the record and the
// end of the load are the generator's.
type crowd struct {
	g        *Generator
	surge    string // its name; empty: the customers
	begins   string // how its carts, customers and keys begin, after a letter
	first    uint64 // the number of its first journey
	seed     uint64 // of its trace ids
	mark     *[8]byte
	arrivals Arrivals
	most     uint64 // journeys in all; 0: no bound
	script   func(journey uint64, s *Script)
	client   *http1.Client
	peers    int
	timeout  time.Duration
	headers  string // that each of its requests bears; lines with their ends
	slots    chan struct{}

	n       uint64        // journeys begun; the pacing goroutine's
	arrived atomic.Uint64 // the same, for others
	next    atomic.Int64  // when the next journey is due, -1 if there is none
	quit    chan struct{} // closed: no further request. Nil: the generator's own end
	paced   chan struct{} // closed when the last journey has begun
	sent    atomic.Int64  // requests
	heard   atomic.Int64  // of those, the ones that were answered
	left    atomic.Int64  // and those whose customer hung up
}

// pace lets each journey begin at its time, whatever became of those before.
// All that are due at one wake-up begin at once, each with its own due time.
func (c *crowd) pace(begin time.Duration) {
	g := c.g
	defer close(c.paced)
	defer c.next.Store(-1)
	timer := time.NewTimer(0)
	defer timer.Stop()
	<-timer.C
	for until := c.n + c.most; c.most == 0 || c.n < until; c.n++ {
		due := begin + c.arrivals.Next()
		c.next.Store(int64(due))
		if d := due - g.now(); d > 0 {
			timer.Reset(d)
			select {
			case <-timer.C:
			case <-g.stop:
			case <-c.quit:
			case <-g.quit:
			}
		}
		select {
		case <-g.quit:
			return
		case <-c.quit:
			return
		case <-g.stop:
			// What was due before the stop begins all the same: a generator that
			// was late must not hide whom it has kept waiting.
			if due > time.Duration(g.stopAt.Load()) {
				return
			}
		default:
		}
		c.arrived.Add(1)
		g.under.Add(1)
		g.journeys.Add(1)
		n := c.n
		go func() {
			s := g.idle.Get().(*shopper)
			s.run(c, n, due)
			g.idle.Put(s)
			g.under.Add(-1)
			g.journeys.Done()
		}()
	}
}

// over reports whether no further request is to be made.
func (c *crowd) over() bool {
	select {
	case <-c.quit:
		return true
	case <-c.g.quit:
		return true
	default:
		return false
	}
}

// slot waits for the right to have one more request without an answer. It
// reports false if there is none before a customer would have given up.
func (c *crowd) slot(due time.Duration) bool {
	select {
	case c.slots <- struct{}{}:
		return true
	default:
	}
	timer := time.NewTimer(due + c.timeout - c.g.now())
	defer timer.Stop()
	select {
	case c.slots <- struct{}{}:
		return true
	case <-timer.C:
		return false
	}
}

func (c *crowd) free() { <-c.slots }
