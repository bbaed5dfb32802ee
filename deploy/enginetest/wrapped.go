package enginetest

import (
	"errors"
	"testing"

	"github.com/bedlamlab/bedlam/deploy"
)

// wrapper hides a system's powers, as an embedded interface does, and says what
// it wraps.
type wrapper struct{ deploy.System }

func (w wrapper) Unwrap() deploy.System { return w.System }

// opaque hides them and does not say.
type opaque struct{ deploy.System }

// Levitator is a power that no engine has.
type Levitator interface{ Levitate(height float64) error }

func wrappedHasPowers(t *testing.T, f *fixture) {
	if _, err := deploy.Power[deploy.Inspector](f.System); err != nil {
		t.Skip(err)
	}
	if _, err := deploy.Power[deploy.Inspector](wrapper{wrapper{f.System}}); err != nil {
		t.Errorf("wrapped twice it has lost a power: %v", err)
	}
	if _, err := deploy.Power[deploy.Inspector](opaque{f.System}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("hidden it answers %v, want errors.ErrUnsupported", err)
	}
	if _, err := deploy.Power[Levitator](f.System); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a power that nobody has answers %v, want errors.ErrUnsupported", err)
	}
}

// attachedLifts breaks the system in every way, and has another engine, which
// knows the scratch folder and nothing else, put it right.
func attachedLifts(t *testing.T, f *fixture, fresh deploy.Engine) {
	pauser, holder, killer, shaper := power[deploy.Pauser](t, f), power[deploy.Holder](t, f), power[deploy.Killer](t, f), power[deploy.Shaper](t, f)
	cut := rule("enginetest/attached", "partition", "", link(loader, "front-1"))
	if err := errors.Join(
		pauser.Pause(within(t), "front-2"),
		pauser.Pause(within(t), "pg-1"),
		holder.Hold(within(t), "back-1"),
		killer.Kill(within(t), "back-1"),
		shaper.Shape(within(t), cut),
	); err != nil {
		t.Fatal(err)
	}
	other, err := fresh.Attach(within(t), f.plan.Scratch)
	if err != nil {
		t.Fatal(err)
	}
	if want, got := f.address(t, loader, "front-1"), must(other.Address(loader, "front-1"))(t); got != want {
		t.Errorf("attached, the address is %s, want %s", got, want)
	}
	if st, err := power[deploy.Inspector](t, other).Inspect(within(t), "front-2"); err != nil || st.Phase != deploy.Paused {
		t.Errorf("attached, a paused instance is %+v, %v", st, err)
	}
	rules, err := power[deploy.Shaper](t, other).Rules(within(t))
	if err != nil || len(rules) != 1 {
		t.Errorf("attached, the rules are %+v, %v", rules, err)
	}
	if err := errors.Join(
		power[deploy.Pauser](t, other).Resume(within(t), "front-2"),
		power[deploy.Pauser](t, other).Resume(within(t), "pg-1"),
		power[deploy.Holder](t, other).Release(within(t), "back-1"),
		power[deploy.Shaper](t, other).Unshape(within(t), cut.ID),
	); err != nil {
		t.Fatal(err)
	}
	if err := get(within(t), f.address(t, loader, "front-1"), "/who", nil); err != nil {
		t.Errorf("after the lift: %v", err)
	}
	// The owner's keeper starts it: it never died.
	f.until(t, "back-1", "is back", func(st deploy.State) bool { return st.Ready && !st.Held })
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
