package chaos

import "time"

// ResultSchema names the format of result.json.
const ResultSchema = "bedlam.result/1"

// A Result is the judgement of one run: result.json. Times within a run are
// seconds from its start; shares are from 0 to 1; a nil number is one that the
// samples do not allow.
type Result struct {
	Schema      string             `json:"schema"`
	Seed        uint64             `json:"seed"`
	Engine      string             `json:"engine"`
	Verdict     Verdict            `json:"verdict"`
	Exit        int                `json:"exit"`    // 0 pass, 1 fail, 3 inconclusive, 4 something could not be lifted
	Reasons     []string           `json:"reasons"` // one line each, worst first
	Experiments []ExperimentResult `json:"experiments"`
	Gates       []Gate             `json:"gates"`    // of the whole run
	Audit       []AuditLine        `json:"audit"`    // of the whole run
	Findings    []Finding          `json:"findings"` // that belong to no experiment
	Load        Load               `json:"load"`
	Suite       string             `json:"suite"`
	Run         string             `json:"run"`
	Version     string             `json:"version"`
	Commit      string             `json:"commit,omitempty"`
	Machine     Machine            `json:"machine"`
	Started     time.Time          `json:"started"`
	Control     bool               `json:"control,omitempty"`    // nothing was to be injected
	Comparison  *Comparison        `json:"comparison,omitempty"` // with the controls beside it
	Regression  *Comparison        `json:"regression,omitempty"` // with an earlier result
	Stronger    string             `json:"stronger,omitempty"`   // what would make the verdict stronger
	Seconds     float64            `json:"seconds"`              // the run's length
	Series      Series             `json:"series"`
	Traces      []Waterfall        `json:"traces"` // failed ones first, then the slowest
}

// An ExperimentResult is the judgement of one experiment.
type ExperimentResult struct {
	Name      string    `json:"name"`
	Title     string    `json:"title"`
	Verdict   Verdict   `json:"verdict"`
	Injection Injection `json:"injection"`
	Recovery  Recovery  `json:"recovery"`
	Baseline  Window    `json:"baseline"`
	Fault     Window    `json:"fault"`
	After     Window    `json:"after"`
	Rows      []Row     `json:"rows"`
	Findings  []Finding `json:"findings"`
	Hops      []Hop     `json:"hops"` // first failing hops of the failed requests, by phase, most frequent first
	// Stability and Restoration say how the system was left behind; nil if no
	// fault was lifted. Results of earlier versions have neither.
	Stability   *Stability   `json:"stability,omitempty"`
	Restoration *Restoration `json:"restoration,omitempty"`
}

// An Injection says whether the fault was really there.
type Injection struct {
	Status    string   `json:"status"`    // proven, unproven, unsupported, none
	Victims   []string `json:"victims"`   // instances or links
	Faults    []string `json:"faults"`    // in words, with their arguments
	Probe     string   `json:"probe"`     // what the runner's own probe saw
	Witnesses int      `json:"witnesses"` // requests whose traces met the fault
}

// A Recovery says whether the fault is gone and the system is well again.
type Recovery struct {
	Status  string   `json:"status"`            // recovered, not-recovered, not-lifted, none
	Seconds *float64 `json:"seconds,omitempty"` // to the first of 3 s in the baseline's band; of several faults the longest
	Since   string   `json:"since,omitempty"`   // from where they count: lift, or injection for a fault that passes by itself
	Lift    string   `json:"lift"`              // what the probe saw after the lift
}

// A Window is a stretch of a run.
type Window struct {
	From float64 `json:"from"`
	To   float64 `json:"to"`
}

// A Row is one metric of an experiment, in its three phases.
type Row struct {
	Metric   string   `json:"metric"` // goodput, p50, …
	Class    string   `json:"class,omitempty"`
	Unit     string   `json:"unit"` // share, s, x, bytes, count
	Baseline *float64 `json:"baseline"`
	Fault    *float64 `json:"fault"`
	After    *float64 `json:"after"`
	N        [3]int   `json:"n"`                 // samples in each phase
	Limit    string   `json:"limit,omitempty"`   // in words, if the hypothesis states one
	Verdict  *Verdict `json:"verdict,omitempty"` // if it does
	// Basis says what a verdict that holds rests on: "not refuted" by one run,
	// or "shown" by several; empty if there is none or it does not hold.
	Basis string `json:"basis,omitempty"`
	// Intervals of the three phases, with 95 %: what the seconds of this run
	// tell of the figure, and nothing of how another run would fare.
	Intervals [3]*Interval `json:"intervals"`
}

// A Finding is one thing that was wrong, or could not be told.
type Finding struct {
	Check     string  `json:"check"`               // its name, see bedlam list
	Verdict   Verdict `json:"verdict"`             // Fail or Inconclusive
	Site      string  `json:"site"`                // service or edge (from->to) at fault
	Fault     string  `json:"fault,omitempty"`     // in words, and whom it harmed, if the finding belongs to an experiment
	Mechanism string  `json:"mechanism,omitempty"` // timeout, retry, fallback, idempotency, …
	Text      string  `json:"text"`                // one sentence, with the figure and the limit
	Trace     string  `json:"trace,omitempty"`     // an example
	Count     int     `json:"count,omitempty"`     // how often
	Repeat    string  `json:"repeat,omitempty"`    // the command that repeats it
}

// A Gate is a condition without which a run says nothing.
type Gate struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	Text string `json:"text"`
}

// An AuditLine is one invariant over the stores.
type AuditLine struct {
	Name       string  `json:"name"`
	Title      string  `json:"title"`
	N          int     `json:"n"` // rows or orders looked at
	Violations int     `json:"violations"`
	Bound      float64 `json:"bound"` // with none, the 95 % upper bound of the rate: 3/n
	Verdict    Verdict `json:"verdict"`
	Text       string  `json:"text,omitempty"`
}

// Load says what the customers did.
type Load struct {
	Rate     float64        `json:"rate"` // journeys a second asked for
	Journeys int            `json:"journeys"`
	Requests int            `json:"requests"`
	Surges   int            `json:"surges,omitempty"` // requests besides, of surges; in no other figure
	Achieved float64        `json:"achieved"`         // sent over due
	LagP99   float64        `json:"lag_p99"`          // seconds between due and sent
	Outcomes map[string]int `json:"outcomes"`
}

// A Hop is the edge at which failed requests failed first.
type Hop struct {
	Phase   string `json:"phase,omitempty"` // fault (with the recovery), after or baseline
	Site    string `json:"site"`            // from->to, or a service
	Error   string `json:"error"`
	Count   int    `json:"count"`
	Example string `json:"example"` // a trace id
}

// A Series is the run second by second; all slices have the same length.
type Series struct {
	Intended []int     `json:"intended"` // requests due in the second
	OK       []int     `json:"ok"`
	Degraded []int     `json:"degraded"`
	Failed   []int     `json:"failed"`
	Unknown  []int     `json:"unknown"`
	P50      []float64 `json:"p50"` // seconds; 0 without samples
	P99      []float64 `json:"p99"`
	Events   []Mark    `json:"events"`
}

// A Mark is something that happened at a moment of a run.
type Mark struct {
	At       float64 `json:"at"`
	Kind     string  `json:"kind"` // injected, lifted, exited, ready, …
	Instance string  `json:"instance,omitempty"`
	Text     string  `json:"text"`
}

// A Waterfall is one trace, ready to be drawn.
type Waterfall struct {
	Trace      string          `json:"trace"`
	Class      string          `json:"class"`
	Outcome    string          `json:"outcome"`
	Experiment string          `json:"experiment,omitempty"`
	At         float64         `json:"at"`      // due
	Seconds    float64         `json:"seconds"` // its latency
	Spans      []WaterfallSpan `json:"spans"`   // depth first
}

// A WaterfallSpan is one bar of a waterfall.
type WaterfallSpan struct {
	Depth    int     `json:"depth"`
	Service  string  `json:"service"`
	Instance string  `json:"instance"`
	Name     string  `json:"name"`
	From     float64 `json:"from"` // seconds from the trace's start
	Seconds  float64 `json:"seconds"`
	Error    string  `json:"error,omitempty"`
	Fault    string  `json:"fault,omitempty"` // the fault that it met
}
