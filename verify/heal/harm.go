package heal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/runner"
	"github.com/bedlamlab/bedlam/deploy/relay"
)

// LiftLimit is how long after the death a fault may still be on, on any engine.
const LiftLimit = 2 * time.Second

// errUnable ends the waiting for a step that does not come.
var errUnable = errors.New("this engine cannot do it")

// awaitStep returns as soon as the journal has the line. The processes are
// looked at beside it, until [scene.lookNoMore]: a look takes longer than some
// steps do.
func (s *scene) awaitStep(ctx context.Context, step chaos.EntryKind) error {
	written, err := newBell(filepath.Dir(s.folder()), s.folder(), s.journal())
	if err != nil {
		return err
	}
	defer written.close()
	s.lookBeside()
	for {
		switch {
		case s.wrote(step):
			return nil
		case s.wrote(chaos.Unsupported):
			return errUnable
		case s.wrote(chaos.RunEnded):
			return errMissed
		}
		select {
		case _, open := <-written.rings:
			if !open {
				return errors.New("the kernel does not tell of the journal any more")
			}
		case <-s.ended:
			if s.refused() {
				return errUnable
			}
			return errMissed
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// refused reports whether Bedlam has ended, before it had anything to write down,
// because it cannot do what it was asked for.
func (s *scene) refused() bool {
	const unable = 3 // as for every INCONCLUSIVE
	_, err := os.Stat(s.journal())
	return errors.Is(err, fs.ErrNotExist) && s.run.ProcessState.ExitCode() == unable
}

// lookBeside looks at the processes, and at where the relay is told things.
func (s *scene) lookBeside() {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(s.watch.every)
		defer tick.Stop()
		for {
			s.watch.look()
			s.kernel.look(s.runs())
			s.findRelay()
			if s.calm == nil && s.wrote(chaos.RunStarted) {
				s.calm = read(s.processes(), s.runs())
			}
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	}()
	s.lookNoMore = sync.OnceFunc(func() {
		close(stop)
		<-stopped
	})
}

// findRelay reads out of what the engine wrote down how to ask its relay.
func (s *scene) findRelay() {
	if s.relay != nil {
		return
	}
	for _, path := range matches(s.dir, "tmp/bedlam-*/system.json") {
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		var d struct {
			Layout struct{ Control string }
			Token  string
		}
		if json.Unmarshal(b, &d) == nil && d.Layout.Control != "" {
			s.relay = relay.NewClient(d.Layout.Control, d.Token)
		}
	}
}

// A harm is what can be seen of a fault.
type harm struct {
	seen []string // past Bedlam: read back from the kernel, the daemon or the relay
	told []string // by the journal, where its healer writes that it has read back that it is gone
}

func (h harm) all() []string { return append(h.seen[:len(h.seen):len(h.seen)], h.told...) }

// A Witness is who shows that a harm was on.
type Witness string

// The witnesses.
const (
	ReadBack    Witness = "read-back" // somebody else than Bedlam
	JournalOnly Witness = "journal"   // nobody but the journal: of this kind nothing can be read cheaply
)

// witness is who shows h; empty: there is none.
func (h harm) witness() Witness {
	switch {
	case len(h.seen) > 0:
		return ReadBack
	case len(h.told) > 0:
		return JournalOnly
	}
	return ""
}

// harmful says what can still be seen of a fault: in the relay, in processes
// and containers that are frozen, held back or told another time, in who holds
// a harm, in supervisors that are told to wait, in namespaces of the network,
// and in the journal.
func (s *scene) harmful(ctx context.Context) (h harm) {
	on := func(format string, args ...any) { h.seen = append(h.seen, fmt.Sprintf(format, args...)) }
	if s.relay != nil {
		ask, cancel := context.WithTimeout(ctx, time.Second)
		rules, err := s.relay.Rules(ask)
		cancel()
		if e := net.Error(nil); errors.As(err, &e) && e.Timeout() { // else it is gone, and they with it
			on("the relay hangs: %v", err)
		}
		for _, r := range rules {
			on("the relay has rule %s", r.ID)
		}
	}
	own := s.processes()
	for _, pid := range own {
		if stat, err := statOf(pid); err == nil && stat.state == 'T' {
			on("process %d is frozen", pid)
		}
		if holder(pid) {
			on("process %d holds it (%s)", pid, command(pid))
		}
		if skewed(pid) {
			on("process %d is told another time", pid)
		}
	}
	h.seen = append(h.seen, read(own, s.runs()).changed(s.calm)...)
	if d := s.ground.docker; d != nil {
		h.seen = append(h.seen, slices.DeleteFunc(d.left(s.runs()), func(text string) bool { return !strings.HasPrefix(text, "paused ") })...)
	}
	for _, path := range matches(s.dir, "tmp/bedlam-*/state/*.held") {
		on("a supervisor waits: %s", filepath.Base(path))
	}
	entries, _, err := runner.ReadJournal(s.journal())
	if err != nil {
		h.told = append(h.told, err.Error())
	}
	for _, f := range runner.Live(entries) {
		h.told = append(h.told, "the journal shows "+f.ID+" as live")
	}
	return h
}

// struckAt returns the last line that the run itself wrote, before who healed it.
func (s *scene) struckAt() chaos.EntryKind {
	entries, _, _ := runner.ReadJournal(s.journal())
	for _, e := range slices.Backward(entries) {
		if e.Kind != chaos.Healed && e.Kind != chaos.LiftFailed {
			return e.Kind
		}
	}
	return ""
}
