package chaos

// A Metric is something that a hypothesis may limit.
type Metric struct {
	Name string `json:"name"`
	Unit string `json:"unit"` // share (0 to 1), s, x, bytes or count
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

// Holdings are what the processes of a system hold, all together: of each the
// median reading of a phase. No hypothesis limits them; what does not come back
// after the fault is told instance by instance (see [Restoration]).
var Holdings = []Metric{
	{"memory", "bytes", "memory that the runtimes of the processes hold"},
	{"goroutines", "count", "goroutines"},
	{"descriptors", "count", "open files, sockets among them"},
	{"queues", "count", "requests in flight, connections of pools in use and requests that wait for one, events in an outbox"},
}

// Effects are what a fault did as a whole, from its injection until the system
// was well again: figures that stand in an experiment's rows and that no
// hypothesis limits.
var Effects = []Metric{
	{"loss", "s", "availability lost: the baseline's goodput less that of each second, summed until the recovery; times the rate, the requests lost"},
	{"depth", "share", "how far goodput fell below the baseline's, in its worst five seconds"},
	{"resilience", "share", "one less the part of the availability that was lost, from the injection until the recovery"},
	{"burn", "share", "the part of a month's error budget at 99.9 % that one such event uses up"},
	{"detected", "s", "time until an alert on the burn rate would have fired (14.4 times the budget in both 60 s and 5 s, at 99.9 %)"},
	{"mitigated", "s", "time until the system first did something about it: a breaker kept a call at home, a fallback stood in, a request was shed, another instance answered a retry, an instance was started again"},
	{"adapted", "s", "time until goodput was in the baseline's band, and stayed there, with the fault still on; none if it was not by its end"},
	{"dead-work", "share", "time that servers spent on requests whose caller had gone or whose deadline had passed, over all the time they spent"},
	{"blast", "share", "load of the classes of requests that suffered (goodput below the baseline's band, p < 0.01 with Holm's correction), over all load"},
	{"collateral", "share", "the same, of classes that do not need what was harmed"},
	{"healed", "s", "time from the order to lift until a probe saw that the fault was gone, of several the longest; if the run was cut short, from its last sign of life until another process had lifted the fault"},
	{"scars", "count", "what did not come back: instances that hold more memory, goroutines, descriptors or queued work than before, and the 99th percentile of the latency"},
	{"debt", "count", "what was left behind in the stores: stuck sagas, unsent events, paid orders that were not shipped"},
}
