package chaos

// A Margin is how much worse than without any fault a metric may be: what an
// experiment declares before it runs, so that no figure can choose it. More is
// worse in every metric but goodput, of which less is.
type Margin struct {
	Metric string  `json:"metric"`
	Phase  string  `json:"phase"`           // fault or after; of recovery, empty
	Class  string  `json:"class,omitempty"` // of requests; empty: all
	Edge   string  `json:"edge,omitempty"`  // from->to; for metrics of edges
	Most   float64 `json:"most,omitempty"`  // in the metric's unit, 0 or more
	Times  float64 `json:"times,omitempty"` // or as a ratio, at least 1; then Most is 0
}

// DefaultMargins hold for an experiment that declares none of that metric and
// phase, and whose hypothesis has no limit on them either: a limit says already
// how much may be lost.
var DefaultMargins = []Margin{
	// What a customer who browses may lose while a part of the shop is broken.
	{Metric: "goodput", Phase: "fault", Most: 0.02},
	// One request in two hundred: after the fault nothing is left to excuse it.
	{Metric: "goodput", Phase: "after", Most: 0.005},
	// A tenth of the half second that pages may take.
	{Metric: "p90", Phase: "after", Most: 0.05},
	// The retry budget that the shop's edges share is a fifth.
	{Metric: "amplification", Phase: "fault", Times: 1.2},
	// Twice the supervisor's first three waits.
	{Metric: "recovery", Most: 10},
}

// AllMargins are those that an experiment declares, and the defaults for what it
// says nothing of.
func (h Hypothesis) AllMargins() []Margin {
	all := append([]Margin{}, h.Margins...)
	for _, d := range DefaultMargins {
		said := false
		for _, m := range h.Margins {
			said = said || m.Metric == d.Metric && m.Phase == d.Phase
		}
		for _, l := range h.Limits {
			said = said || l.Metric == d.Metric && (l.Metric == "recovery" || l.Phase == d.Phase)
		}
		if !said {
			all = append(all, d)
		}
	}
	return all
}

// PairsSchema names the format of pairs.json.
const PairsSchema = "bedlam.pairs/1"

// Pairs is what was asked of a comparison of runs: pairs.json. In a pair one
// run breaks the system and one, the control, has the same customers at the
// same moments and breaks nothing:
//
//	pair     1        2        3        4
//	         C  F     F  C     C  F     F  C      the drift of a machine falls on both
type Pairs struct {
	Schema string   `json:"schema"` // bedlam.pairs/1
	Run    string   `json:"run"`    // of the first run of it
	Seed   uint64   `json:"seed"`   // of the first pair; each further one has the next
	Words  []string `json:"words"`
	Engine string   `json:"engine"`
	Least  int      `json:"least"` // pairs before the first decision
	Most   int      `json:"most"`  // pairs at which what is undecided stays so
}

// Looks is how often such a comparison may be decided: after the least number
// of pairs, and after each two more.
func (p Pairs) Looks() int { return 1 + (p.Most-p.Least+1)/2 }

// A Comparison holds runs against other runs.
type Comparison struct {
	// Kind says with what: pairs (with controls beside them) or earlier (with an
	// earlier result).
	Kind   string        `json:"kind"`
	Pairs  int           `json:"pairs"` // that could be compared; 0 of one run with another
	Alpha  float64       `json:"alpha"` // the chance of a false alarm over all rows, at most
	Rows   []ComparedRow `json:"rows"`
	Notes  []string      `json:"notes"`            // what was left out and why
	Of     string        `json:"of,omitempty"`     // the earlier run, its commit
	Margin string        `json:"margin,omitempty"` // in words, how an end of an interval is to be read
}

// A ComparedRow is one figure of the runs against its bound. Worse is counted
// so that more is worse, in the metric's unit, or as a ratio.
type ComparedRow struct {
	Experiment string    `json:"experiment"`
	Metric     string    `json:"metric"`
	Class      string    `json:"class,omitempty"`
	Phase      string    `json:"phase,omitempty"`
	Kind       string    `json:"kind"` // limit (of the hypothesis) or margin (to the control or the earlier run)
	Unit       string    `json:"unit"` // of Before and Now; of the others too, unless Ratio
	Ratio      bool      `json:"ratio,omitempty"`
	N          int       `json:"n"`      // pairs; of one run with another, requests now
	Before     *float64  `json:"before"` // median of the controls, or the earlier figure
	Now        *float64  `json:"now"`    // median of the runs with the fault
	Worse      *float64  `json:"worse"`  // by how much, the median
	Lo         *float64  `json:"lo"`     // the interval of Worse; null: unbounded
	Hi         *float64  `json:"hi"`
	Bound      float64   `json:"bound"`            // of Worse
	P          float64   `json:"p"`                // of "it is beyond the bound", after Holm
	Values     []float64 `json:"values,omitempty"` // Worse of each pair
	Verdict    Verdict   `json:"verdict"`
	Text       string    `json:"text"` // the row in one sentence
}

// An Interval holds a figure; both of its ends are included.
type Interval struct {
	Lo float64 `json:"lo"`
	Hi float64 `json:"hi"`
}

// NotRefuted and Shown are what a row that holds rests on.
const (
	NotRefuted = "not refuted"
	Shown      = "shown"
)
