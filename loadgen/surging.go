package loadgen

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"
)

// A surge is one that has begun.
type surge struct {
	*crowd
	rate   float64 // journeys a second
	began  time.Duration
	beside int           // customers' requests until then
	ended  time.Duration // -1: it is on
}

// errStopped is the answer to a surge that comes too late.
var errStopped = errors.New("the load has stopped")

// prefetchHeaders are what browsers send with what they fetch in case.
const prefetchHeaders = "Sec-Purpose: prefetch\r\n"

// Surge implements [Surger].
func (g *Generator) Surge(s Surge) error {
	if err := s.check(); err != nil {
		return fmt.Errorf("surge %q: %w", s.Name, err)
	}
	rate, err := s.rate(g.config.Rate)
	if err != nil {
		return fmt.Errorf("surge %q: %w", s.Name, err)
	}
	arrivals, err := NewArrivals(Poisson, s.Seed, rate)
	if err != nil {
		return fmt.Errorf("surge %q: %w", s.Name, err)
	}
	gateways, err := g.gateways(s.Gateways)
	if err != nil {
		return fmt.Errorf("surge %q: %w", s.Name, err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	before := g.surges[s.Name]
	switch {
	case g.closed:
		return fmt.Errorf("surge %q: %w", s.Name, errStopped)
	case before != nil && before.ended < 0:
		return nil
	}
	c := g.crowd(gateways)
	mark := Mark(s.Name)
	c.surge, c.mark, c.seed, c.arrivals, c.most = s.Name, &mark, s.Seed, arrivals, uint64(s.Most)
	c.begins = g.config.Run + "-s" + hex.EncodeToString(mark[:4]) + "-"
	c.first = numbers(mark)
	c.script, c.quit = s.scripts(g.plan, g.scarce), make(chan struct{})
	if s.Kind == Prefetch {
		c.headers = prefetchHeaders
	}
	if before != nil {
		<-before.paced
		c.n = before.n // no name is given twice
	}
	_, total, _ := g.board.look(g.now())
	on := &surge{crowd: c, rate: rate, began: max(0, g.now()), beside: total.Due, ended: -1}
	g.surges[s.Name] = on
	go c.pace(on.began)
	return nil
}

// numbers is where a surge's journeys begin to count: above those of customers,
// apart from most other surges', and within what JSON takes for a number.
func numbers(mark [8]byte) uint64 {
	return (1 + uint64(binary.BigEndian.Uint16(mark[:]))) << 32
}

// gateways are those of some names; all if none are given.
func (g *Generator) gateways(names []string) ([]Gateway, error) {
	all := g.config.Gateways
	if len(names) == 0 {
		return all, nil
	}
	var some []Gateway
	for _, name := range names {
		i := slices.IndexFunc(all, func(w Gateway) bool { return w.Instance == name })
		if i < 0 {
			return nil, fmt.Errorf("customers do not ask %q", name)
		}
		some = append(some, all[i])
	}
	return some, nil
}

// Ebb implements [Surger].
func (g *Generator) Ebb(name string) {
	g.mu.Lock()
	s := g.surges[name]
	if s != nil && s.ended < 0 {
		s.ended = max(0, g.now())
		close(s.quit)
	}
	g.mu.Unlock()
	if s != nil {
		<-s.paced
		s.client.Close() // those in use are closed when they come back
	}
}

// Surged implements [Surger].
func (g *Generator) Surged(name string) (Surged, bool) {
	g.mu.Lock()
	s := g.surges[name]
	if s == nil {
		g.mu.Unlock()
		return Surged{}, false
	}
	began, ended := s.began, s.ended
	g.mu.Unlock()
	now := g.now()
	out := Surged{On: ended < 0, Arrived: int(s.arrived.Load()), Sent: int(s.sent.Load()), Answered: int(s.heard.Load()), Left: int(s.left.Load())}
	if !out.On {
		now = ended
	}
	out.For = max(0, now-began)
	if out.Asked = s.rate * out.For.Seconds(); s.most > 0 {
		out.Asked = min(out.Asked, float64(s.most))
	}
	_, total, _ := g.board.look(g.now())
	out.Beside = total.Due - s.beside
	return out, true
}

// count adds up what became of a request.
func (c *crowd) count(r *Request) {
	if r.Reason == "no_slot" {
		return
	}
	c.sent.Add(1)
	switch {
	case r.Status != 0:
		c.heard.Add(1)
	case r.Reason == hungUp:
		c.left.Add(1)
	}
}
