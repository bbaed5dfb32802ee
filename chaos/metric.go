package chaos

// A Metric is something that a hypothesis may limit.
type Metric struct {
	Name string `json:"name"`
	Unit string `json:"unit"` // share (0 to 1), s, x or count
	Doc  string `json:"doc"`
}

// Metrics are all of them, in the order of a report's rows.
var Metrics = []Metric{
	{"goodput", "share", "good responses (ok or declared degraded, true, within the class's latency limit) over intended ones"},
	{"failed", "share", "requests that failed or whose effect is unknown, over intended ones"},
	{"degraded", "share", "answers that were declared degraded, over intended requests"},
	{"lost", "count", "requests that were due in the phase and got no good response"},
	{"p50", "s", "median latency from the due time"},
	{"p90", "s", "90th percentile of the latency from the due time"},
	{"p99", "s", "99th percentile of the latency from the due time"},
	{"p99.9", "s", "99.9th percentile of the latency from the due time"},
	{"amplification", "x", "attempts over first attempts, of one edge or of the whole shop; those that an open breaker kept from being sent count in neither"},
	{"traffic", "x", "attempts and statements for each request that was due, of one edge or of the whole shop, over the same in the baseline"},
	{"recovery", "s", "time until goodput is back in the baseline's band for 3 s: from the lift, but from the injection of a fault that passes by itself (a kill, stop or oom without hold, a restart, sessions ended once); of several faults the longest"},
}
