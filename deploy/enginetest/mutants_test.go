package enginetest_test

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/enginetest"
	"github.com/bedlamlab/bedlam/deploy/process"
)

// mutantEnv names the mutant that TestMutant is, in the binary executed again.
const mutantEnv = "BEDLAM_ENGINETEST_MUTANT"

// mutants are engines with one thing wrong, and the case of the suite that must
// say so.
var mutants = []struct {
	name string // what is wrong with it
	must string // fail
}{
	{"none", "Powers"}, // must not
	{"past-the-relay", "Powers/EverythingAnswers"},
	{"kills-nobody", "Powers/KillHeldStaysDown/back-2"},
	{"holds-nobody", "Powers/KillHeldStaysDown/back-2"},
	{"exhausts-nobody", "Powers/ExhaustHeldStaysDown/back-2"},
	{"exhausts-by-killing", "Powers/ExhaustIsRestarted"},
	{"takes-every-kill-for-want-of-memory", "Powers/ExhaustIsRestarted"},
	{"impairs-on-paper", "Powers/ImpairmentsLast"},
	{"impairs-one-life", "Powers/ImpairmentsLast"},
	{"pauses-nobody", "Powers/PauseHangs"},
	{"pauses-the-postmaster-only", "Powers/PauseStore"},
	{"shapes-on-paper", "Powers/Latency"},
	{"shapes-every-link", "Powers/Latency"},
	{"shapes-on-paper", "Powers/KindsOfRules"},
	{"never-unshapes", "Powers/Reset"},
	{"reads-no-requests", "Powers/Requests"},
	{"tells-nothing", "Powers/Requests"},
	{"takes-any-rule", "Powers/RuleIsReplaced"},
	{"opens-every-store-as-owner", "Powers/RolesAreApart"},
	{"stays-up", "Life/DownLeavesNothing"},
	{"never-gives-up", "Life/UpCancelledLeavesNothing"},
	{"sweeps-nothing", "Abandoned/SweepAfterUp"},
	{"sweeps-nothing", "Life/SweepTidiesCache"},
	{"sweeps-anything", "Life/ScratchMustBeEmpty"},
}

// TestSuiteFires runs the suite's cases on engines that are wrong: each must
// fail, and on the right one none.
func TestSuiteFires(t *testing.T) {
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			// The pattern's parts are anchored one by one.
			cmd := exec.Command(os.Args[0], "-test.timeout=5m", "-test.run=^TestMutant$/^"+strings.ReplaceAll(m.must, "/", "$/^")+"$")
			cmd.Env = append(os.Environ(), mutantEnv+"="+m.name)
			out, err := cmd.CombinedOutput()
			switch failed := err != nil && strings.Contains(string(out), "--- FAIL: TestMutant/"+m.must); {
			case m.name == "none" && err != nil:
				t.Errorf("%s fails although nothing is wrong:\n%s", m.must, out)
			case m.name != "none" && !failed:
				t.Errorf("%s does not fail (%v):\n%s", m.must, err, out)
			}
		})
	}
}

func TestMutant(t *testing.T) {
	kind := os.Getenv(mutantEnv)
	if kind == "" {
		t.Skip("only run by TestSuiteFires")
	}
	enginetest.Exercise(t, func(t *testing.T) deploy.Engine {
		return &mutant{Engine: process.New(process.Options{}), t: t, kind: kind}
	}, enginetest.Plan)
}

// A mutant is an engine with one thing wrong. At the end of the test it puts
// right what it did not do: this machine must not suffer for it.
type mutant struct {
	deploy.Engine
	t    *testing.T
	kind string
}

func (m *mutant) Up(ctx context.Context, p deploy.Plan) (deploy.System, error) {
	if m.kind == "never-gives-up" {
		ctx = context.WithoutCancel(ctx)
	}
	if m.kind == "reads-no-requests" {
		p.Aware = nil
	}
	s, err := m.Engine.Up(ctx, p)
	if err != nil {
		return nil, err
	}
	m.t.Cleanup(func() { s.Down(context.Background()) })
	w := &wrong{all: s.(all), kind: m.kind}
	switch m.kind {
	case "exhausts-nobody", "exhausts-by-killing", "takes-every-kill-for-want-of-memory":
		return exhausting{w}, nil
	case "impairs-on-paper", "impairs-one-life":
		i, err := deploy.Power[deploy.Impairer](s)
		return &impairing{wrong: w, Impairer: i}, err
	}
	return w, nil
}

func (m *mutant) Sweep(ctx context.Context, run, scratch string) error {
	switch m.kind {
	case "sweeps-nothing":
		m.t.Cleanup(func() { m.Engine.Sweep(context.Background(), run, scratch) })
		return nil
	case "sweeps-anything":
		return os.RemoveAll(scratch)
	}
	return m.Engine.Sweep(ctx, run, scratch)
}

type all interface {
	deploy.System
	deploy.Inspector
	deploy.Killer
	deploy.Stopper
	deploy.Pauser
	deploy.Holder
	deploy.Shaper
	deploy.Databaser
	deploy.Teller
}

// wrong is a mutant's system.
type wrong struct {
	all
	kind string

	mu    sync.Mutex
	paper []deploy.Rule
}

func (w *wrong) Address(caller, callee string) (string, error) {
	if w.kind == "past-the-relay" {
		caller = ""
	}
	return w.all.Address(caller, callee)
}

func (w *wrong) Kill(ctx context.Context, instance string) error {
	if w.kind == "kills-nobody" {
		return nil
	}
	return w.all.Kill(ctx, instance)
}

func (w *wrong) Touched(ctx context.Context, rule string) (deploy.Touched, error) {
	if w.kind == "tells-nothing" {
		return deploy.Touched{}, nil
	}
	return w.all.Touched(ctx, rule)
}

// exhausting is a mutant that says that it can exhaust what it has not got the
// power to.
type exhausting struct{ *wrong }

func (e exhausting) Exhaust(ctx context.Context, instance string) error {
	if e.kind == "exhausts-nobody" {
		return nil
	}
	return e.Kill(ctx, instance)
}

func (e exhausting) Inspect(ctx context.Context, instance string) (deploy.State, error) {
	st, err := e.wrong.Inspect(ctx, instance)
	if e.kind == "takes-every-kill-for-want-of-memory" {
		st.OOMKills = st.Starts - 1
	}
	return st, err
}

// impairing is a mutant that says what it was asked for, whatever is there.
type impairing struct {
	*wrong
	deploy.Impairer
	asked []deploy.Impairment
}

func (i *impairing) Impair(ctx context.Context, one deploy.Impairment) error {
	i.asked = append(i.asked, one)
	if i.kind == "impairs-on-paper" {
		return nil
	}
	return i.Impairer.Impair(ctx, one)
}

func (i *impairing) Impairments(context.Context, string) ([]deploy.Impairment, error) {
	return i.asked, nil
}

// Kill is meant for the instance alone, and takes what was done to it as well.
func (i *impairing) Kill(ctx context.Context, instance string) error {
	if i.kind == "impairs-one-life" {
		for _, one := range i.asked {
			if err := i.Repair(ctx, one.ID); err != nil {
				return err
			}
		}
	}
	return i.wrong.Kill(ctx, instance)
}

func (w *wrong) Hold(ctx context.Context, instance string) error {
	if w.kind == "holds-nobody" {
		return nil
	}
	return w.all.Hold(ctx, instance)
}

func (w *wrong) Pause(ctx context.Context, instance string) error {
	switch w.kind {
	case "pauses-nobody":
		return nil
	case "pauses-the-postmaster-only":
		st, err := w.Inspect(ctx, instance)
		if err != nil {
			return err
		}
		return syscall.Kill(st.PID, syscall.SIGSTOP)
	}
	return w.all.Pause(ctx, instance)
}

func (w *wrong) Shape(ctx context.Context, r deploy.Rule) error {
	switch w.kind {
	case "shapes-on-paper":
		w.mu.Lock()
		defer w.mu.Unlock()
		w.paper = append(w.paper, r)
		return nil
	case "shapes-every-link":
		r.Links = w.Topology().Links()
	case "takes-any-rule":
		w.all.Shape(ctx, r)
		return nil
	}
	return w.all.Shape(ctx, r)
}

func (w *wrong) Rules(ctx context.Context) ([]deploy.Rule, error) {
	if w.kind == "shapes-on-paper" {
		w.mu.Lock()
		defer w.mu.Unlock()
		return slices.Clone(w.paper), nil
	}
	return w.all.Rules(ctx)
}

func (w *wrong) Unshape(ctx context.Context, id string) error {
	switch w.kind {
	case "shapes-on-paper":
		w.mu.Lock()
		defer w.mu.Unlock()
		w.paper = slices.DeleteFunc(w.paper, func(r deploy.Rule) bool { return r.ID == id })
		return nil
	case "never-unshapes":
		return nil
	}
	return w.all.Unshape(ctx, id)
}

func (w *wrong) DSN(store, role string) (string, error) {
	if w.kind == "opens-every-store-as-owner" && role == deploy.AuditRole {
		role = "front"
	}
	return w.all.DSN(store, role)
}

func (w *wrong) Down(ctx context.Context) error {
	if w.kind == "stays-up" {
		return nil
	}
	return w.all.Down(ctx)
}
