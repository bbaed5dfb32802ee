package check

// What processes say of themselves, by the names of OpenTelemetry's semantic
// conventions where there is one.
var (
	heapGoal      = gauge{metric: "go.memory.gc.goal"}
	goroutines    = gauge{metric: "go.goroutine.count"}
	descriptors   = gauge{metric: "process.unix.file_descriptor.count"}
	servingHTTP   = gauge{metric: "http.server.active_requests"}
	servingRPC    = gauge{metric: "rpc.server.active_requests"}
	poolUsed      = gauge{metric: "db.client.connection.count", where: [2]string{"db.client.connection.state", "used"}}
	poolWaits     = gauge{metric: "db.client.connection.pending_requests"}
	outboxBacklog = gauge{metric: "orders.outbox.backlog"}
)

// A bound is what a measure may come to, from what it was.
type bound struct{ times, plus float64 }

func (b bound) of(before float64) float64 { return b.times*before + b.plus }

// A measure is compared for each instance: the lowest reading since a fault
// with the highest of the calm times before it. Waves, such as a heap's between
// two collections, cancel out so, and what is raised at all times does not.
type measure struct {
	name  string // as in [chaos.Holdings]
	unit  string
	gauge gauge
	// back is up to where it counts as being back, and lasting from where on it
	// is held against the system, if it was watched for long enough.
	back, lasting bound
	// collected says that a figure is as old as the last collection of garbage:
	// one from before the lift says nothing.
	collected bool
}

// measures are all of them. What they allow is taken from twelve recorded runs
// of the shop on machines idle and busy, some 1500 comparisons each, in which
// nothing was left behind:
//
//   - a heap's goal was at most 1.46 times as high, from the first collections
//     after a start, of few megabytes; the memory in use says less, as it climbs
//     up to the goal for minutes where there is little to do
//   - goroutines were at most 1.09 times as many, and at most 8 more, but for a
//     gateway whose customers had needed more connections while it was slow and
//     kept them: 1.45 times as many, 49 more
//
// Descriptors and queues had not been recorded in those: theirs are from one run
// on a machine that had no time, with descriptors as goroutines, and queues empty
// in every window now and then at least.
//
// Twice as much, and as much again as a small process has in all, is far from
// any of these.
var measures = []measure{
	{name: "memory", unit: "bytes", gauge: heapGoal, back: bound{1.5, 4 << 20}, lasting: bound{2, 16 << 20}, collected: true},
	{name: "goroutines", unit: "count", gauge: goroutines, back: bound{1.1, 8}, lasting: bound{2, 64}},
	{name: "descriptors", unit: "count", gauge: descriptors, back: bound{1.1, 8}, lasting: bound{2, 64}},
	{name: "queues", unit: "count", gauge: servingHTTP, back: bound{1.1, 8}, lasting: bound{2, 64}},
	{name: "queues", unit: "count", gauge: servingRPC, back: bound{1.1, 8}, lasting: bound{2, 64}},
	// A pool has few connections: three that never come back are half of six.
	{name: "queues", unit: "count", gauge: poolUsed, back: bound{1, 1}, lasting: bound{1, 2}},
	{name: "queues", unit: "count", gauge: poolWaits, back: bound{1, 2}, lasting: bound{1, 8}},
	{name: "queues", unit: "count", gauge: outboxBacklog, back: bound{1.1, 8}, lasting: bound{2, 64}},
}

const (
	// leastBefore and leastSince are how many readings a comparison needs. Two
	// are what the few seconds after an experiment bring, every two seconds one:
	// enough to say where something stands, and not to accuse.
	leastBefore, leastSince = 3, 2
	// settled is how many seconds after the lift something must still be there to
	// be held against the system. Servers keep connections that nobody uses for a
	// minute, and pools theirs for half of one: until then, more of them than
	// before are what a system has kept, not what it has lost.
	settled = 75
)
