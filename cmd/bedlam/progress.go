package main

import (
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/bedlamlab/bedlam"
)

// colored reports whether a file is a terminal that wants colours
// (https://no-color.org).
func colored(f *os.File) bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd()))
}

// A progress shows where a run is: on a terminal in one line that changes,
// elsewhere in a line for each phase. Nothing of it waits for whoever reads.
type progress struct {
	out   printer
	mu    sync.Mutex // of what follows
	f     *os.File
	live  bool
	last  string      // what was shown last
	said  time.Time   // when the last plain line was written
	held  *time.Timer // writes the plain line of a step that may be over soon; or nil
	begun time.Time
}

func newProgress(f *os.File) *progress {
	return &progress{f: f, live: os.Getenv("CI") == "" && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd())), begun: time.Now()}
}

// show tells of a status; notes are never left out.
func (p *progress) show(s bedlam.Status) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.Note != "" {
		p.out.say(p.f, p.blank()+s.Note+"\n")
		return
	}
	what := s.Step
	if what == "" {
		what = s.Phase
		if s.Experiment != "" {
			what = fmt.Sprintf("%d/%d %s: %s", s.Index, s.Of, s.Experiment, s.Phase)
		}
		if s.Text != "" {
			what += " (" + s.Text + ")"
		}
	}
	if !p.live {
		p.plain(what, s.Step != "")
		return
	}
	line := what
	if s.Step == "" {
		c := s.Live.Last(time.Second)
		bad := c.Failed + c.Unknown + c.Overdue + c.Slow
		line = fmt.Sprintf("%s · %d req/s, %d not good · about %s left", what, c.Due, bad, s.Left.Round(time.Second))
	}
	if width, _, err := term.GetSize(int(p.f.Fd())); err == nil {
		if r := []rune(line); len(r) >= width {
			line = string(r[:max(0, width-1)])
		}
	}
	p.out.show(p.f, p.blank()+line)
}

// hurry is how long a step must last to be worth a line in a log, which wants
// the milestones, after another line.
const hurry = time.Second

// plain writes a line for a log; that of a step only once it has lasted.
func (p *progress) plain(what string, step bool) {
	if what == p.last {
		return
	}
	p.last = what
	if p.held != nil {
		p.held.Stop()
		p.held = nil
	}
	line := fmt.Sprintf("%6.1fs  %s\n", time.Since(p.begun).Seconds(), what)
	wait := hurry - time.Since(p.said)
	if !step || wait <= 0 {
		p.said = time.Now()
		p.out.show(p.f, line)
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(wait, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.held == timer { // else another step came meanwhile
			p.held, p.said = nil, time.Now()
			p.out.show(p.f, line)
		}
	})
	p.held = timer
}

// blank wipes the line that changes.
func (p *progress) blank() string {
	if p.live {
		return "\r\x1b[K"
	}
	return ""
}

// wipe ends the line that changes, and says no more of the last step.
func (p *progress) wipe() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held != nil {
		p.held.Stop()
		p.held = nil
	}
	if p.live {
		p.out.say(p.f, p.blank())
	}
}

// done ends the line that changes and waits until all is printed, if somebody
// reads: others may print after it.
func (p *progress) done() {
	p.wipe()
	p.out.drain(readPatience)
}
