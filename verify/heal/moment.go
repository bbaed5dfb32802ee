package heal

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
)

// A Moment is when, and how, a run is cut short.
type Moment struct {
	Engine     string        `json:"engine,omitempty"` // empty: process
	Phase      string        `json:"phase"`            // one of [Phases]; with a fault, one of [Steps]
	Delay      time.Duration `json:"delay"`            // after the phase has begun, nanoseconds
	Signal     Signal        `json:"signal"`
	Experiment string        `json:"experiment,omitempty"` // that is run
	Fault      string        `json:"fault,omitempty"`      // that is the only one of an experiment made for it, see [Cases]
	Monkey     bool          `json:"monkey,omitempty"`     // it is a monkey that does the fault, and not a run
	Cold       bool          `json:"cold"`                 // there is no template of a database yet: initdb runs
}

// String returns the moment in a few words.
func (m Moment) String() string {
	cold := ""
	if m.Cold {
		cold = ", cold"
	}
	on := ""
	if m.Engine != "" {
		on = " on " + m.Engine
	}
	if m.Fault != "" {
		by := ""
		if m.Monkey {
			by = " by the monkey"
		}
		return fmt.Sprintf("%s %s of %s%s%s", m.Signal, m.Phase, m.Fault, by, on)
	}
	return fmt.Sprintf("%s %s+%s of %s%s%s", m.Signal, m.Phase, m.Delay.Round(time.Millisecond), m.Experiment, on, cold)
}

// Docker is the engine that runs containers.
const Docker = "docker"

// A Signal is a way to end a run.
type Signal string

// The ways.
const (
	Interrupt Signal = "interrupt" // Ctrl-C; the run ends by itself
	Terminate Signal = "terminate" // SIGTERM; likewise
	Kill      Signal = "kill"      // kill -9 of bedlam; its guard heals
	KillBoth  Signal = "kill-both" // kill -9 of bedlam and of its guard; the next start heals
	// KillGuard is kill -9 of the guard alone: bedlam starts another, keeps its
	// fault on, and ends by itself when it is interrupted then.
	KillGuard Signal = "kill-guard"
)

// signals are dealt out in turn. The guard alone is killed in [Cases].
var signals = []Signal{Interrupt, Kill, Terminate, KillBoth}

// broken are experiments with faults of each kind that can stay: a rule in the relay, a
// frozen process, a held supervisor, a killed database with its orphans.
var broken = []string{"recommend-down", "catalog-replica-paused", "bank-slow-then-cut-off", "shop-postgres-killed"}

// A phase is a stretch of a run whose beginning can be seen from outside.
type phase struct {
	name   string
	weight int           // of fifty moments
	span   time.Duration // the delay is drawn from [0, span)
	began  func(g *scene) bool
}

// phases are those of a run, in order. The weights lie on what is hard: the
// bring-up, where half of everything is there, and the faults.
var phases = []phase{
	{"start", 2, 80 * time.Millisecond, func(s *scene) bool { return true }},
	{"registered", 3, 100 * time.Millisecond, func(s *scene) bool { return s.has("state/runs/*.json") }},
	{"guarded", 2, 200 * time.Millisecond, func(s *scene) bool { return s.has("state/runs/*.guard") }},
	{"initdb", 6, 1500 * time.Millisecond, func(s *scene) bool { return s.has("cache/templates/.[0-9]*") }},
	{"bring-up", 7, 2 * time.Second, func(s *scene) bool { return s.has("tmp/bedlam-*/system.json") }},
	{"warm-up", 2, 3 * time.Second, func(s *scene) bool { return s.wrote(chaos.RunStarted) }},
	{"baseline", 3, 10 * time.Second, func(s *scene) bool { return s.wrote(chaos.BaselineStarted) }},
	{"inject", 8, 300 * time.Millisecond, func(s *scene) bool { return s.wrote(chaos.Injecting) }},
	{"hold", 5, 5 * time.Second, func(s *scene) bool { return s.wrote(chaos.Injected) }},
	{"lift", 6, 500 * time.Millisecond, func(s *scene) bool { return s.wrote(chaos.Lifting) }},
	{"recover", 2, 3 * time.Second, func(s *scene) bool { return s.wrote(chaos.LiftProven) }},
	{"quiet", 2, 1500 * time.Millisecond, func(s *scene) bool { return s.wrote(chaos.LoadStopped) }},
	{"down", 2, 500 * time.Millisecond, func(s *scene) bool { return s.wrote(chaos.RunEnded) }},
}

// phasesOf returns an engine's phases. In containers the database is made in a
// volume, where nobody sees it, and the bring-up is longer.
func phasesOf(engine string) []phase {
	if engine != Docker {
		return phases
	}
	own := slices.DeleteFunc(slices.Clone(phases), func(p phase) bool { return p.name == "initdb" })
	for i := range own {
		if own[i].name == "bring-up" {
			own[i].weight *= 2
			own[i].span = 8 * time.Second
		}
	}
	return own
}

// Phases returns the names of the phases of an engine's runs, in order.
func Phases(engine string) []string {
	var names []string
	for _, p := range phasesOf(engine) {
		names = append(names, p.name)
	}
	return names
}

// Moments draws n moments of an engine's runs. The same seed gives the same
// ones, and fewer are a prefix of more.
func Moments(engine string, seed uint64, n int) []Moment {
	r := rand.New(rand.NewPCG(seed, 0x6865616c)) // "heal": a stream of its own
	var deck []phase
	deal := func() phase {
		if len(deck) == 0 {
			for _, p := range phasesOf(engine) {
				for range p.weight {
					deck = append(deck, p)
				}
			}
			r.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
		}
		p := deck[0]
		deck = deck[1:]
		return p
	}
	var all []Moment
	for i := range n {
		p := deal()
		m := Moment{Engine: engine, Phase: p.name, Delay: time.Duration(r.Int64N(int64(p.span))), Signal: signals[i%len(signals)],
			Experiment: broken[r.IntN(len(broken))]}
		// A third of what comes before the load is cold besides; images are the
		// daemon's and stay.
		m.Cold = engine != Docker && p.name == "initdb" || (p.name == "bring-up" || p.name == "registered" || p.name == "guarded") && r.IntN(3) == 0 && engine != Docker
		all = append(all, m)
	}
	return all
}

// has reports whether a file of the scene matches the pattern. Those that the
// scene itself has put there do not count.
func (s *scene) has(pattern string) bool {
	return len(matches(s.dir, pattern)) > 0
}
