package chaos

// The classes of what a system does once the fault is gone.
const (
	Stable     = "stable"     // it was well again at once
	Vulnerable = "vulnerable" // so it was, but what it asked again would have filled its bottleneck
	SlowDrain  = "slow-drain" // it got well by and by, or was getting well at the end
	Metastable = "metastable" // it stayed broken, though nobody asked for more than before
	Unclear    = "unclear"    // the record does not tell
)

// Stability says which of them an experiment showed, and the figures that
// decide. Those of the second minute after the fault are nil if nobody looked
// for so long.
type Stability struct {
	Class   string  `json:"class"`
	Watched float64 `json:"watched"` // seconds from the end of the fault to the end of what was seen of it
	// Goodput is the median second of the second minute, over the baseline's.
	Goodput *float64 `json:"goodput"`
	// Offered is how many requests were due then, over the baseline's.
	Offered *float64 `json:"offered"`
	// Amplification is attempts over first attempts then: what may keep it so.
	Amplification *float64 `json:"amplification"`
	// Headroom is that of the bottleneck, if the experiment states one.
	Headroom *Headroom `json:"headroom,omitempty"`
	Text     string    `json:"text"` // one sentence
}

// Headroom says how much of a stated capacity a system would need whose calls
// are all tried as often as they were under the trigger. With less than all of
// it nothing can keep the system broken; from there on, a longer trigger may.
type Headroom struct {
	Edge     string  `json:"edge"`     // from->to
	Capacity float64 `json:"capacity"` // calls a second
	Usual    float64 `json:"usual"`    // first attempts a second in the baseline
	// Attempts are those for each first one while the trigger was on; nil if
	// there were none, or no traces of them.
	Attempts *float64 `json:"attempts"`
	// Needed is Usual times Attempts over Capacity.
	Needed *float64 `json:"needed"`
}

// A Restoration says what of a system's processes came back to where it was in
// the calm times before the fault: each measure of each instance, and the 99th
// percentile of all requests.
type Restoration struct {
	Watched float64 `json:"watched"` // seconds from the lift to the last reading
	Back    int     `json:"back"`    // measures that came back
	Untold  int     `json:"untold"`  // measures of which there were too few readings
	Scars   []Scar  `json:"scars"`   // measures that did not come back, those that last first
}

// Told is how many measures could be compared.
func (r Restoration) Told() int { return r.Back + len(r.Scars) }

// A Scar is one measure of one instance that did not come back.
type Scar struct {
	Instance string  `json:"instance,omitempty"` // empty: of the customers' requests
	Measure  string  `json:"measure"`            // memory, goroutines, descriptors, queues, p99
	Metric   string  `json:"metric"`             // as it was recorded
	Unit     string  `json:"unit"`
	Before   float64 `json:"before"` // the highest in calm times before the fault
	Since    float64 `json:"since"`  // the lowest since
	Limit    float64 `json:"limit"`  // up to it, it would be back
	N        [2]int  `json:"n"`      // readings before and since
	// Reborn says that the instance was started again: it is compared with what
	// instances of its service held before.
	Reborn bool `json:"reborn,omitempty"`
	// Lasting says that it is so far off, and was watched for so long, that it is
	// held against the system.
	Lasting bool   `json:"lasting,omitempty"`
	Text    string `json:"text"` // one sentence
}
