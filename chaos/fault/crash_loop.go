package fault

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/topology"
)

// crashLoop ends instances at every restart, as a release does that cannot
// live: the supervisor's back-off grows, and callers meet short lives between
// long absences.
type crashLoop struct {
	victims
	Life topology.Duration `json:"life"`

	id     string
	before map[string]deploy.State
}

const (
	// usualLife lets an instance become ready (a service takes some 100 ms as a
	// process, three times that as a container) and take its first requests.
	usualLife = 500 * time.Millisecond
	// longestLife, with the back-off of a second and the two ends that are the
	// proof, stays within the three seconds that a probe has.
	longestLife = time.Second
	// lookEvery is how soon a new life is noticed: well under the shortest that
	// is worth asking for.
	lookEvery = 50 * time.Millisecond
)

func init() {
	register(Kind{Name: "crash_loop", On: onInstances, Needs: needs[deploy.Killer]().and(watched),
		Doc:    "Ends an instance with SIGKILL, and again at every restart, until the lift: a release that cannot live.",
		Params: "life: how long it lives after each start, at most 1s (500ms)",
		build: func(r chaos.Resolved) (chaos.Fault, error) {
			f := &crashLoop{victims: r.Instances, Life: topology.Duration(usualLife), id: r.ID, before: map[string]deploy.State{}}
			if err := decode(r.Args, f); err != nil {
				return nil, err
			}
			if f.Life < 0 || f.Life.D() > longestLife {
				return nil, fmt.Errorf("life must be between 0s and %s", longestLife)
			}
			return f, nil
		}})
}

// Inject ends every victim and keeps a vigil that ends each of their further
// lives.
func (f *crashLoop) Inject(ctx context.Context, s deploy.System) error {
	inspector, err := deploy.Power[deploy.Inspector](s)
	if err != nil {
		return err
	}
	killer, err := deploy.Power[deploy.Killer](s)
	if err != nil {
		return err
	}
	err = f.each(func(in string) error {
		st, err := inspector.Inspect(ctx, in)
		if err != nil {
			return err
		}
		f.before[in] = st
		return killer.Kill(ctx, in)
	})
	if err != nil {
		return err
	}
	watch(ctx, f.id, s, func(ctx context.Context, w watchman) {
		var all sync.WaitGroup
		for _, in := range f.victims {
			loop := lives{instance: in, most: f.Life.D(), killed: f.before[in].Starts, inspector: inspector, killer: killer}
			w := w // each looks at a watch of its own
			all.Go(func() { w.every(ctx, lookEvery, loop.look) })
		}
		all.Wait()
	})
	return nil
}

// lives are those of one victim.
type lives struct {
	instance  string
	most      time.Duration
	inspector deploy.Inspector
	killer    deploy.Killer

	killed int       // the start that was ended last
	start  int       // the one that was seen last
	since  time.Time // when it was first seen
}

// look ends the life that there is if it has lasted long enough. What cannot be
// read or ended now is tried again at the next look.
func (l *lives) look(ctx context.Context) {
	st, err := l.inspector.Inspect(ctx, l.instance)
	if err != nil || st.Phase == deploy.Down || st.Starts == l.killed {
		return
	}
	if st.Starts != l.start {
		l.start, l.since = st.Starts, time.Now()
	}
	if time.Since(l.since) < l.most || overslept(ctx) {
		return
	}
	if l.killer.Kill(ctx, l.instance) == nil {
		l.killed = st.Starts
	}
}

// Lift ends the vigil, if this process keeps it, and has the supervisors start
// what is down without waiting out their back-off.
func (f *crashLoop) Lift(ctx context.Context, s deploy.System) error {
	holder, err := deploy.Power[deploy.Holder](s)
	if err != nil {
		return err
	}
	dismiss(f.id, s)
	return f.each(func(in string) error { return holder.Release(ctx, in) })
}

// Probe wants every victim to have been started again and to have ended again
// in that life too, which is more than one crash; after the lift, to be ready
// and to live for longer than the loop allows.
func (f *crashLoop) Probe(ctx context.Context, s deploy.System, injected bool) (string, error) {
	if !injected {
		return f.survives(ctx, s)
	}
	return f.inspect(ctx, s, func(in string, st deploy.State) (string, error) {
		before, known := f.before[in]
		again := st.Starts - before.Starts
		ends := again
		if st.Phase == deploy.Down {
			ends++
		}
		if !known || ends < 2 {
			return "", fmt.Errorf("is %s (start %d)", st.Phase, st.Starts)
		}
		return fmt.Sprintf("has ended %d times, in every life that it began", ends), nil
	})
}

// survives wants every victim to be ready now, and in the same life when one
// under the loop would be over.
func (f *crashLoop) survives(ctx context.Context, s deploy.System) (string, error) {
	first := map[string]int{}
	if _, err := f.inspect(ctx, s, func(in string, st deploy.State) (string, error) {
		first[in] = st.Starts
		return well(in, st)
	}); err != nil {
		return "", err
	}
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case <-time.After(f.Life.D() + 4*lookEvery):
	}
	return f.inspect(ctx, s, func(in string, st deploy.State) (string, error) {
		text, err := well(in, st)
		if err == nil && st.Starts != first[in] {
			err = fmt.Errorf("still begins new lives (start %d, then %d)", first[in], st.Starts)
		}
		return text + " and lives on", err
	})
}
