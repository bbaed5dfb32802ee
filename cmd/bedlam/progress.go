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
// elsewhere in a line for each phase.
type progress struct {
	mu    sync.Mutex
	f     *os.File
	live  bool
	last  string    // the last plain line
	said  time.Time // when it was written
	begun time.Time
}

func newProgress(f *os.File) *progress {
	return &progress{f: f, live: os.Getenv("CI") == "" && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd())), begun: time.Now()}
}

func (p *progress) show(s bedlam.Status) {
	p.mu.Lock()
	defer p.mu.Unlock()
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
		// A log wants the milestones: a step that is followed by another
		// within a second is not one.
		hurried := s.Step != "" && time.Since(p.said) < time.Second
		if what != p.last && !hurried {
			p.last, p.said = what, time.Now()
			fmt.Fprintf(p.f, "%6.1fs  %s\n", time.Since(p.begun).Seconds(), what)
		}
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
	fmt.Fprintf(p.f, "\r\x1b[K%s", line)
}

// done ends the line that changes.
func (p *progress) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.live {
		fmt.Fprint(p.f, "\r\x1b[K")
	}
}
