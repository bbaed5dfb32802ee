package main

import (
	"io"
	"sync"
	"time"
)

// A printer writes in the order in which it is told, and never keeps waiting
// who tells it: a terminal that was stopped with Ctrl-S, or a pipe that nobody
// reads, must not keep a fault on. The zero printer is ready. It is safe for
// concurrent use.
type printer struct {
	mu      sync.Mutex
	waiting []said
	printed int
	idle    chan struct{} // closed when all is printed; nil: it is
}

// said is a piece of text on its way.
type said struct {
	to   io.Writer
	text string
}

const (
	// mostWaiting is how many pieces may wait before one that can be missed is
	// left out: more than a person would read up on.
	mostWaiting = 64
	// readPatience is how long a reader may take for one piece when all is over.
	readPatience = 10 * time.Second
)

// say prints what must not be missed. It is kept for as long as nobody reads:
// a fault's life is some hundred bytes, so that a week of one a minute is a few
// megabytes.
func (p *printer) say(to io.Writer, text string) { p.put(said{to, text}, false) }

// show prints what may be missed: the next of its kind says more.
func (p *printer) show(to io.Writer, text string) { p.put(said{to, text}, true) }

func (p *printer) put(s said, missable bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if missable && len(p.waiting) >= mostWaiting {
		return
	}
	p.waiting = append(p.waiting, s)
	if p.idle == nil {
		p.idle = make(chan struct{})
		go p.print()
	}
}

// print writes until nothing is left.
func (p *printer) print() {
	for {
		p.mu.Lock()
		if len(p.waiting) == 0 {
			close(p.idle)
			p.waiting, p.idle = nil, nil
			p.mu.Unlock()
			return
		}
		s := p.waiting[0]
		p.waiting = p.waiting[1:]
		p.mu.Unlock()
		_, _ = io.WriteString(s.to, s.text) // who has hung up misses it
		p.mu.Lock()
		p.printed++
		p.mu.Unlock()
	}
}

// drain waits until all is printed, or nobody has read a piece for as long as
// patience; it reports which.
func (p *printer) drain(patience time.Duration) bool {
	for {
		p.mu.Lock()
		idle, before := p.idle, p.printed
		p.mu.Unlock()
		if idle == nil {
			return true
		}
		t := time.NewTimer(patience)
		select {
		case <-idle:
		case <-t.C:
		}
		t.Stop()
		p.mu.Lock()
		stuck := p.idle != nil && p.printed == before
		p.mu.Unlock()
		if stuck {
			return false
		}
	}
}
