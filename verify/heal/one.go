package heal

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/bedlamlab/bedlam/chaos/runner"

	"github.com/bedlamlab/bedlam/chaos"
)

// One cuts one run short and returns what came of it, at the latest after most
// of waiting. An error means that nothing was shown: the run could not be
// started, or ctx ended. Nothing stays either way.
func One(ctx context.Context, g *Ground, m Moment, most time.Duration) (p Proof, err error) {
	p = Proof{Date: time.Now().UTC(), Moment: m, Exit: -1}
	s, err := g.open(m)
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	defer func() { s.lookNoMore() }() // before the scene is closed
	if err := s.await(ctx, m); errors.Is(err, errUnable) {
		return s.unable(ctx, p, most)
	} else if errors.Is(err, errMissed) {
		p.Missed = fmt.Sprintf("%v: %s", err, lastLine(s.output.String()))
		return p, nil
	} else if err != nil {
		return p, err
	}
	sig := m.Signal
	if sig == KillGuard {
		s.lookNoMore() // what follows looks itself
		p.Struck = s.struckAt()
		h, err := s.guardless(ctx)
		if err != nil && ctx.Err() != nil {
			return p, err
		}
		if err != nil {
			p.Reasons = append(p.Reasons, err.Error())
		} else if h.witness() == "" {
			p.Reasons = append(p.Reasons, "with its guard killed no harm was seen: the moment shows nothing")
		}
		p.Harm, p.Witness = h.all(), h.witness()
		sig = Interrupt
	}
	struck := time.Now()
	if err := s.strike(sig, m.Delay%2 == 0); err != nil {
		return p, fmt.Errorf("striking: %w", err)
	}
	s.lookNoMore()
	healed := make(chan error, 1)
	if m.Signal == KillBoth {
		if m.Fault != "" {
			// At once: a rule of the relay lives for a few seconds by itself. The
			// journal alone shows a harm at every step.
			h := s.harmful(ctx)
			if p.Harm, p.Witness = h.all(), h.witness(); p.Witness == "" {
				p.Missed = "with both killed no harm was seen"
			}
		}
		if !s.early() && len(s.left()) == 0 {
			p.Missed = "with both killed nothing was left"
		}
		// The next start is a heal that a person asks for, or any other.
		struck = time.Now()
		go func() {
			out, err := s.bedlam("heal").CombinedOutput()
			if err != nil {
				err = fmt.Errorf("bedlam heal: %w: %s", err, lastLine(string(out)))
			}
			healed <- err
		}()
	} else {
		healed <- nil
	}
	if m.Fault != "" {
		var on []string
		var witness Witness
		on, witness, p.Lifted = s.lifted(ctx, struck, most)
		if p.Witness == "" {
			p.Witness = witness
		}
		for _, harm := range on {
			p.Reasons = append(p.Reasons, "not lifted: "+harm)
		}
		defer func() { p.Struck = cmp.Or(p.Struck, s.struckAt()) }()
	}
	if err := <-healed; err != nil {
		p.Reasons = append(p.Reasons, err.Error())
	}
	p.Left, p.Seconds = s.settle(ctx, struck, most)
	for _, left := range p.Left {
		p.Reasons = append(p.Reasons, "left: "+left)
	}
	// It may still be saying what it found when all that it started is gone.
	rest := time.NewTimer(most - time.Since(struck))
	defer rest.Stop()
	select {
	case <-s.ended:
		p.Exit = s.run.ProcessState.ExitCode()
	case <-rest.C:
		p.Reasons = append(p.Reasons, "bedlam itself does not end")
		p.OK = false
		return p, nil
	}
	p.Verdict, err = s.judge()
	if err != nil {
		p.Reasons = append(p.Reasons, err.Error())
	}
	p.Reasons = append(p.Reasons, s.wrong(p)...)
	p.OK = len(p.Reasons) == 0 && p.Missed == ""
	return p, nil
}

// early reports whether the run had not registered yet: nothing is started before.
func (s *scene) early() bool { return !s.has("state/runs/*.json") }

// settle looks until nothing is left; it returns what is, and the seconds that
// it took.
func (s *scene) settle(ctx context.Context, since time.Time, most time.Duration) ([]string, float64) {
	for {
		left := s.left()
		took := time.Since(since)
		if len(left) == 0 || took > most || ctx.Err() != nil {
			return left, took.Seconds()
		}
		time.Sleep(20 * time.Millisecond) // what others leave in /proc is no event that could be awaited
	}
}

// lifted looks until no harm can be seen; it returns what can, who has shown
// it at first, and the seconds that it took.
func (s *scene) lifted(ctx context.Context, since time.Time, most time.Duration) (on []string, witness Witness, seconds float64) {
	for {
		h := s.harmful(ctx)
		if witness != ReadBack && h.witness() != "" {
			witness = h.witness()
		}
		took := time.Since(since)
		if h.witness() == "" || took > most || ctx.Err() != nil {
			return h.all(), witness, took.Seconds()
		}
		time.Sleep(10 * time.Millisecond) // what others lift is no event that could be awaited
	}
}

// unable ends a run whose engine has said that it cannot do the fault: that it
// says so, and harms nothing, is all there is to show.
func (s *scene) unable(ctx context.Context, p Proof, most time.Duration) (Proof, error) {
	entries, _, err := runner.ReadJournal(s.journal())
	if s.refused() {
		p.Unable, err = lastLine(s.output.String()), nil
	}
	if err != nil {
		return p, err
	}
	for _, e := range entries {
		switch e.Kind {
		case chaos.Unsupported:
			p.Unable = e.Detail
		case chaos.Injecting:
			p.Reasons = append(p.Reasons, "it says that it cannot, and does it")
		}
	}
	struck := time.Now()
	select {
	case <-s.ended: // by itself
	default:
		if err := s.strike(Interrupt, false); err != nil {
			return p, err
		}
	}
	s.lookNoMore()
	p.Left, p.Seconds = s.settle(ctx, struck, most)
	for _, left := range p.Left {
		p.Reasons = append(p.Reasons, "left: "+left)
	}
	p.OK = len(p.Reasons) == 0
	return p, nil
}

// judge judges what the run recorded.
func (s *scene) judge() (verdict string, err error) {
	if _, err := os.Stat(filepath.Join(s.folder(), "plan.json")); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	cmd := s.bedlam("judge", s.folder())
	out, err := cmd.CombinedOutput()
	switch code := cmd.ProcessState.ExitCode(); code {
	case 0:
		return chaos.Pass.String(), nil
	case 1:
		return chaos.Fail.String(), nil
	case 3:
		return chaos.Inconclusive.String(), nil
	default:
		return "", fmt.Errorf("judging what was recorded: exit code %d, %w: %s", code, err, lastLine(string(out)))
	}
}

// wrong holds exit code, verdict and journal against what they should be.
func (s *scene) wrong(p Proof) []string {
	var wrong []string
	// A run whose last entry was written has all that a verdict needs.
	whole := s.wrote(chaos.RunEnded)
	if p.Verdict != "" && p.Verdict != chaos.Inconclusive.String() && !whole {
		wrong = append(wrong, "a run that was cut short is judged "+p.Verdict)
	}
	asked := p.Signal != Kill && p.Signal != KillBoth
	switch {
	case !asked && p.Exit != -1 && !whole:
		wrong = append(wrong, fmt.Sprintf("killed, it exits with %d", p.Exit))
	case asked && p.Exit == 3, asked && whole && p.Exit >= 0 && p.Exit < 2:
	case asked && p.Verdict == "" && (p.Exit == 2 || p.Exit == -1): // before anything was started, or signals were heard
	case asked:
		wrong = append(wrong, fmt.Sprintf("it exits with %d, want 3: %s", p.Exit, lastLine(s.output.String())))
	}
	entries, _, err := runner.ReadJournal(s.journal())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		wrong = append(wrong, err.Error())
	}
	for _, f := range runner.Live(entries) {
		// Gone with the process that it was done to; the journal must say so.
		wrong = append(wrong, "the journal shows a live fault: "+f.ID)
	}
	return wrong
}

// close ends what is left, if anything, by the process ids that were seen. What
// the kernel then still has of the run, as when the proof itself is cut short, is
// for a heal.
func (s *scene) close() (err error) {
	s.watch.end()
	<-s.ended
	if len(s.left()) > 0 {
		err = s.heal()
	}
	if d := s.ground.docker; d != nil {
		d.remove(s.runs())
	}
	return err
}

// heal has Bedlam put right what is left.
func (s *scene) heal() error {
	cmd := s.bedlam("heal")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("healing what is left: %w", err)
	}
	defer time.AfterFunc(patience, func() { cmd.Process.Kill() }).Stop()
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("healing what is left: %w: %s", err, lastLine(out.String()))
	}
	return nil
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
