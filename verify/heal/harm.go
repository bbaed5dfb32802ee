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
			s.runs()
			s.findRelay()
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

// harmful says what can still be seen of a fault: in the relay, in processes
// and containers that are frozen, in supervisors that are told to wait, and in
// the journal, where its healer writes that it has read back what other kinds
// leave.
func (s *scene) harmful(ctx context.Context) []string {
	var on []string
	if s.relay != nil {
		ask, cancel := context.WithTimeout(ctx, time.Second)
		rules, err := s.relay.Rules(ask)
		cancel()
		if e := net.Error(nil); errors.As(err, &e) && e.Timeout() { // else it is gone, and they with it
			on = append(on, "the relay hangs: "+err.Error())
		}
		for _, r := range rules {
			on = append(on, "the relay has rule "+r.ID)
		}
	}
	for _, pid := range processes() {
		if stat, err := statOf(pid); err == nil && stat.state == 'T' && (s.watch.ours[pid] == stat.start || s.watch.owns(pid)) {
			on = append(on, fmt.Sprintf("process %d is frozen", pid))
		}
	}
	if d := s.ground.docker; d != nil {
		on = append(on, slices.DeleteFunc(d.left(s.runs()), func(text string) bool { return !strings.HasPrefix(text, "paused ") })...)
	}
	for _, path := range matches(s.dir, "tmp/bedlam-*/state/*.held") {
		on = append(on, "a supervisor waits: "+filepath.Base(path))
	}
	entries, _, err := runner.ReadJournal(s.journal())
	if err != nil {
		on = append(on, err.Error())
	}
	for _, f := range runner.Live(entries) {
		on = append(on, "the journal shows "+f.ID+" as live")
	}
	return on
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
