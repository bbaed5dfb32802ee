package runner

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
)

// A Life leads faults one by one, whoever decides when:
//
//	            Inject              ┊             Lift
//	journal ──▶ inject ──▶ prove    ┊  journal ──▶ lift ──▶ prove
//
// What is about to be done stands in the journal first, so that [Heal] can undo
// it in another process.
type Life struct {
	System  deploy.System
	Journal *Journal
	// Build makes a fault, Supported says before any harm whether the system
	// has the power that it needs.
	Build     func(chaos.Resolved) (chaos.Fault, error)
	Supported func(chaos.Resolved, deploy.System) error
}

// A Harm is a fault that stands in the journal, and what has become of it.
type Harm struct {
	chaos.Resolved
	life       *Life
	experiment string
	fault      chaos.Fault
	injected   time.Time // zero: not yet
	lifted     time.Time // zero: not yet
	gone       bool      // and a probe has seen it
	hurry      context.CancelFunc
	proof      *proof // nil: nothing to wait for
}

// A proof is what a probe says of an injected fault.
type proof struct {
	done      chan struct{}
	saw       string
	unproven  error // what it saw instead
	unwritten error // of the journal
}

// ErrNotInjected is wrapped when the journal announces a fault whose injection
// failed. Some of it may be on: it is to be lifted all the same.
var ErrNotInjected = errors.New("injecting failed")

// prepare asks, before anything is touched, whether a harm can be done.
func (l *Life) prepare(r chaos.Resolved, experiment string) (*Harm, error) {
	if err := l.Supported(r, l.System); err != nil {
		return nil, fmt.Errorf("%s: %w", r.ID, err)
	}
	f, err := l.Build(r)
	if err != nil {
		return nil, err
	}
	return &Harm{Resolved: r, life: l, experiment: experiment, fault: f, hurry: func() {}}, nil
}

// Inject harms, and returns when the harm is done; its probe goes on asking
// (see [Harm.Proof]). A nil fault means that nothing was touched: the system
// has not got the power ([errors.ErrUnsupported]), or the journal could not be
// written. Any other must be lifted, whatever the error.
func (l *Life) Inject(ctx context.Context, r chaos.Resolved) (*Harm, error) {
	f, err := l.prepare(r, "")
	if err != nil {
		return nil, err
	}
	err = l.inject(ctx, f)
	if f.injected.IsZero() {
		return nil, err
	}
	return f, err
}

func (l *Life) inject(ctx context.Context, f *Harm) error {
	resolved := f.Resolved
	if err := l.Journal.Write(chaos.Entry{Kind: chaos.Injecting, Experiment: f.experiment, ID: f.ID, Fault: &resolved}); err != nil {
		return err
	}
	f.injected = time.Now() // from here on it may be on, whatever Inject returns
	limited, cancel := context.WithTimeout(ctx, injectMost)
	err := f.fault.Inject(limited, l.System)
	cancel()
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := f.write(chaos.Unproven, "injecting failed: "+err.Error()); err != nil {
			return err
		}
		return fmt.Errorf("%w: %w", ErrNotInjected, err)
	}
	if err := f.write(chaos.Injected, ""); err != nil {
		return err
	}
	ctx, f.hurry = context.WithCancel(ctx)
	p := &proof{done: make(chan struct{})}
	f.proof = p
	go func() {
		defer close(p.done)
		f.prove(ctx, p)
	}()
	return nil
}

func (f *Harm) write(kind chaos.EntryKind, detail string) error {
	return f.life.Journal.Write(chaos.Entry{Kind: kind, Experiment: f.experiment, ID: f.ID, Detail: detail})
}

// prove asks the probe until it sees the fault, and writes down what it saw.
func (f *Harm) prove(ctx context.Context, into *proof) {
	p, ok := f.fault.(chaos.Prober)
	if ok {
		into.saw, into.unproven = f.ask(ctx, p)
		if into.unproven != nil && ctx.Err() != nil {
			into.unproven = fmt.Errorf("the fault ended before a probe had seen it (%w)", into.unproven)
		}
	} else {
		into.unproven = errors.New("the fault has no probe")
	}
	if into.unproven != nil {
		into.unwritten = f.write(chaos.Unproven, into.unproven.Error())
		return
	}
	into.unwritten = f.write(chaos.Proven, into.saw)
}

func (f *Harm) ask(ctx context.Context, p chaos.Prober) (string, error) {
	begin := time.Now()
	for {
		saw, err := p.Probe(ctx, f.life.System, true)
		if err == nil || time.Since(begin) > proofMost {
			return saw, err
		}
		if sleep(ctx, tick) != nil {
			return saw, err
		}
	}
}

// Proof waits until the probe has seen the injected fault, or has given up
// after a few seconds; the error says what it saw instead.
func (f *Harm) Proof() (saw string, err error) {
	if f.proof == nil {
		return "", ErrNotInjected
	}
	<-f.proof.done
	return f.proof.saw, f.proof.unproven
}

// Lift lifts a fault until a read-back shows that it is gone. It tells lifted
// of the moment at which the system first said that the fault is lifted, before
// that is proven. The error wraps [ErrNotLifted], or is of the journal, which
// keeps nothing harmed.
func (f *Harm) Lift(ctx context.Context, lifted func()) error { return f.lift(ctx, lifted, true) }

// lift is Lift for who knows whether it is the last one. If not, another fault
// may stand in the probe's way: then what the probe does not see yet, it is to
// be asked for again when all are lifted.
func (f *Harm) lift(ctx context.Context, lifted func(), last bool) error {
	// A journal that cannot be written (a full disk) keeps nothing harmed.
	var unwritten error
	write := func(kind chaos.EntryKind, detail string) {
		unwritten = errors.Join(unwritten, f.write(kind, detail))
	}
	if f.proof != nil {
		// What the probe saw must not be taken from a fault half lifted; and
		// what it has not seen by now, it need not.
		f.hurry()
		<-f.proof.done
		unwritten, f.proof.unwritten = f.proof.unwritten, nil
	}
	if f.lifted.IsZero() {
		write(chaos.Lifting, "")
	}
	ctx, cancel := context.WithTimeout(ctx, liftMost)
	defer cancel()
	var why error // that was not only the end of the patience
	for {
		err := f.fault.Lift(ctx, f.life.System)
		if err == nil && f.lifted.IsZero() {
			f.lifted = time.Now()
			write(chaos.Lifted, "")
			lifted()
			// Nothing of the kind can be told any more when the system is down.
			// Without it, the judge infers from spans.
			if a, ok := f.fault.(chaos.Accountant); ok {
				if account, err := a.Account(ctx, f.life.System); err == nil {
					write(chaos.Accounted, account)
				}
			}
		}
		saw := ""
		if p, ok := f.fault.(chaos.Prober); ok && err == nil {
			saw, err = p.Probe(ctx, f.life.System, false)
		}
		if err == nil {
			f.gone = true
			write(chaos.LiftProven, saw)
			return unwritten
		}
		if !last && !f.lifted.IsZero() {
			return unwritten
		}
		if why == nil || ctx.Err() == nil {
			why = err
		}
		if sleep(ctx, tick) != nil {
			write(chaos.LiftFailed, why.Error())
			return errors.Join(fmt.Errorf("%w: %s: %w", ErrNotLifted, f.ID, why), unwritten)
		}
	}
}

// liftAll ends every fault that is still on, all at once, and returns when the
// last one was seen to be gone.
func liftAll(ctx context.Context, faults []*Harm) (time.Time, error) {
	var wg sync.WaitGroup
	errs := make([]error, len(faults))
	for i, f := range faults {
		if !f.injected.IsZero() && !f.gone {
			wg.Go(func() { errs[i] = f.lift(ctx, func() {}, true) })
		}
	}
	wg.Wait()
	var last time.Time
	for _, f := range faults {
		if f.lifted.After(last) {
			last = f.lifted
		}
	}
	return last, errors.Join(errs...)
}
