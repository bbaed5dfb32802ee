package chaos

import (
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/loadgen"
	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/topology"
)

// A Record is what a run left behind, read from its folder: everything that a
// judge may look at.
type Record struct {
	Plan     Plan
	Schedule Schedule
	Header   loadgen.Header
	Requests []loadgen.Request // by due time
	Journal  []Entry           // in order of writing
	Events   []deploy.Event    // crashes and restarts, in order of time
	Spans    Spans
	Levels   Levels // nil: nothing was recorded
	Audits   []Audit
	// Faults are the schedule's, built again, by ID: a judge asks them which
	// spans met them and does nothing else with them.
	Faults map[string]Fault
	// Torn says what is missing from the record (a torn tail, a recording cut
	// short, spans dropped above the limit); each makes the run INCONCLUSIVE.
	Torn []string
}

// Spans answers questions about the spans of a run.
type Spans interface {
	// Trace returns the spans of one trace, by start.
	Trace(id collector.TraceID) []collector.Span
	// Between calls yield for each span that overlaps [from, to), in no
	// particular order, until it returns false.
	Between(from, to time.Time, yield func(collector.Span) bool)
}

// Levels tells what the processes of a run held.
type Levels interface {
	// Levels returns how the series of these names went that go up and down.
	Levels(names ...string) []collector.Level
}

// A Plan is what was asked of a run, besides its schedule: plan.json.
type Plan struct {
	Schema string `json:"schema"` // bedlam.plan/1
	Run    string `json:"run"`
	Seed   uint64 `json:"seed"`
	Suite  string `json:"suite"` // the words, with spaces between them
	// Words are what was named on the command line: experiments, suites, files.
	Words  []string `json:"words,omitempty"`
	Engine string   `json:"engine"`
	// Isolation says whether instances of the engine process had a network
	// namespace and cgroups of their own: none or full.
	Isolation string `json:"isolation,omitempty"`
	// Control says that nothing was to be injected: the run is what another,
	// with the same seed, is compared with.
	Control bool `json:"control,omitempty"`
	// System is the file that named the system, for one that ran before.
	System string `json:"system,omitempty"`
	// Lacks says which data the run could not have whatever it did, and why:
	// "traces", those of the system's services, and "audit".
	Lacks       map[string]string `json:"lacks,omitempty"`
	Version     string            `json:"version"`
	Commit      string            `json:"commit,omitempty"`
	Machine     Machine           `json:"machine"`
	Rate        float64           `json:"rate"`     // journeys a second
	Arrivals    string            `json:"arrivals"` // poisson or constant
	Baseline    topology.Duration `json:"baseline"` // how long before the first fault
	Experiments []Experiment      `json:"experiments"`
	Topology    topology.System   `json:"topology"`
	Started     time.Time         `json:"started"`
}

// A Machine says where a run was.
type Machine struct {
	OS     string `json:"os"`
	Arch   string `json:"arch"`
	CPUs   int    `json:"cpus"`
	Memory uint64 `json:"memory"` // bytes
	Kernel string `json:"kernel,omitempty"`
	Host   string `json:"host,omitempty"`
}

// An Entry is one line of the journal. Each is on the disk before the run goes
// on: Injecting and Lifting before what they announce is done, the others after
// what they tell of.
type Entry struct {
	Time       time.Time `json:"time"`
	Kind       EntryKind `json:"kind"`
	Experiment string    `json:"experiment,omitempty"`
	Fault      *Resolved `json:"fault,omitempty"` // with Injecting
	ID         string    `json:"id,omitempty"`    // of the fault, with the kinds about one fault
	Detail     string    `json:"detail,omitempty"`
}

// An EntryKind says what a journal's line announces.
type EntryKind string

// The kinds of entries, in the order of a run. An experiment's windows are
// read from them: the baseline, which all share, lasts from BaselineStarted to
// BaselineEnded; the fault phase from an experiment's first Injected to its last
// Lifting; after, from the last Lifted, or from 3 s before Recovered if that is
// later, to the next experiment's ExperimentBegun or to LoadStopped.
const (
	RunStarted      EntryKind = "run-started"      // the system is up, the load begins
	BaselineStarted EntryKind = "baseline-started" // the load is warm
	BaselineEnded   EntryKind = "baseline-ended"
	ExperimentBegun EntryKind = "experiment-begun"
	Injecting       EntryKind = "injecting"     // about to inject
	Injected        EntryKind = "injected"      // Inject returned
	Proven          EntryKind = "proven"        // the probe saw the effect; Detail says what
	Unproven        EntryKind = "unproven"      // it did not; Detail says what it saw instead
	Unsupported     EntryKind = "unsupported"   // the engine lacks the power; nothing was harmed
	Aborted         EntryKind = "aborted"       // the experiment's own abort limit was breached
	LeaseLost       EntryKind = "lease-lost"    // the run's lease expired: another process may be healing
	Lifting         EntryKind = "lifting"       // about to lift
	Lifted          EntryKind = "lifted"        // Lift returned
	Accounted       EntryKind = "accounted"     // Detail is what [Accountant.Account] said
	LiftProven      EntryKind = "lift-proven"   // the probe saw that it is gone
	Healed          EntryKind = "healed"        // lifted by another process, read back, not probed
	LiftFailed      EntryKind = "lift-failed"   // exit code 4
	Recovered       EntryKind = "recovered"     // goodput was back in the band for 3 s, all after the last lift; Detail counts them
	NotRecovered    EntryKind = "not-recovered" // it was not, 20 s after the last lift
	Audited         EntryKind = "audited"       // ID names the audit; or Detail says why there is none
	ExperimentEnded EntryKind = "experiment-ended"
	LoadStopped     EntryKind = "load-stopped"
	Quiescent       EntryKind = "quiescent"
	NotQuiescent    EntryKind = "not-quiescent" // what was left after 30 s
	Interrupted     EntryKind = "interrupted"
	RunEnded        EntryKind = "run-ended" // nothing more follows; a journal without it was cut short
)

// BeforeAudit is the name of the audit of a system that ran already, before
// the run's first customer: what is wrong there is not the run's doing.
const BeforeAudit = "00-before"

// An Audit is the rows that one look at the audit views brought.
type Audit struct {
	Name  string          `json:"name"` // [BeforeAudit], 01-<experiment>, …, final
	Time  time.Time       `json:"time"`
	Final bool            `json:"final"`
	Views map[string]View `json:"-"` // by schema.view
}

// A View is the rows of one audit view. Values are the database's text form;
// NULL is the empty string.
type View struct {
	Columns []string
	Rows    [][]string
}
