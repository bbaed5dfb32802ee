// Package loadgen asks a shop for things as its customers would: journeys
// arrive at their own rate whatever the shop does (an open loop), each request
// is traced and its latency is counted from the time at which it was due.
//
//	arrivals ──▶ script ──▶ step ──▶ step ──▶ …      one goroutine a journey
//	(seed)       (seed,     │ due │ sent │ done
//	              ordinal)  └─────┴──────┴─────▶ Request ──▶ Recorder, board, span
//	                          lag   shop's time
//
// To make load, [Start] a [Generator]; [Generator.Live] says how it fares now,
// [Generator.Drain] ends it. To keep a record of it, [Create] a [Writer] and
// give it as the Recorder; [Read] gives the record back, [Open] does so frame
// by frame, [Export] as JSON. To let more come than usual, or others than
// customers, begin a [Surge]. To find how much a shop holds, [Saturate] it. To
// see what a seed means without a shop, ask [NewArrivals] and [NewPlanner].
//
// Latency counts from Due, so whoever was kept waiting counts as waiting,
// whether the shop was slow or the generator late; Lag tells the two apart. A
// request of which a byte may have left is never sent again. A write without an
// answer is Unknown; a read without one is Failed, since a read has no effect
// that could be unknown.
package loadgen

import "time"

// An Outcome says how a request ended, as its customer saw it.
type Outcome uint8

// The outcomes. The zero value proves nothing: the request may or may not
// have had its effect.
const (
	Unknown  Outcome = iota // no answer, or one that says nothing of the effect (timeout, reset, 5xx after sending)
	OK                      // answered, and the answer was true; a refusal (sold out, declined) is an honest answer
	Degraded                // answered with less than usual, and it said so (X-Degraded)
	Failed                  // refused cleanly, without effect (503 with Retry-After, refused dial), or answered untruly
)

// String returns the outcome's name in lower case.
func (o Outcome) String() string {
	switch o {
	case OK:
		return "ok"
	case Degraded:
		return "degraded"
	case Failed:
		return "failed"
	}
	return "unknown"
}

// The classes of requests.
const (
	ClassHome     = "home"
	ClassProduct  = "product"
	ClassCartAdd  = "cart-add"
	ClassCartRead = "cart-read"
	ClassCheckout = "checkout"
	ClassOrder    = "order"
	// ClassPoison is what no customer asks for, see [Poison]: it has no limit of
	// latency, and a refusal is a good answer to it.
	ClassPoison = "poison"
)

// Classes are those of customers, in the order of a journey.
var Classes = []string{ClassHome, ClassProduct, ClassCartAdd, ClassCartRead, ClassCheckout, ClassOrder}

// A Request is the record of one request. Times count from the history's
// start, see [Header].
type Request struct {
	Journey uint64        // from 0, in order of arrival; those of a surge have numbers of their own, from 2^32
	Step    int           // from 0
	Class   string        // one of the Class constants
	Due     time.Duration // when it should have been sent
	Sent    time.Duration // when it was; the generator's own lag is Sent-Due
	Done    time.Duration // when the whole answer was read, or given up
	Outcome Outcome
	Status  int    // HTTP status, 0 without an answer
	Reason  string // refused, sold_out, declined, timeout, …; short, lower case
	Gateway string // the gateway instance that was asked
	TraceID [16]byte
	Key     string // idempotency key, "" if the request has none
	Cart    string
	SKU     string
	Qty     int
	Order   string // the order that a checkout or order request speaks of
	State   string // the order's state as the answer said it
	Total   int64  // cents
	Bytes   int64  // of the answer's body
	Surge   string // whose request it is: the name of a [Surge], "" of a customer
}

// Latency is the customer's wait: from the time at which the request was due.
func (r Request) Latency() time.Duration { return r.Done - r.Due }

// Lag is how late the generator itself was.
func (r Request) Lag() time.Duration { return r.Sent - r.Due }

// Good reports whether the customer got a true answer, possibly a degraded one.
func (r Request) Good() bool { return r.Outcome == OK || r.Outcome == Degraded }

// A Header begins a history.
type Header struct {
	Schema string    // bedlam.history/2
	Run    string    // namespaces carts and idempotency keys
	Start  time.Time // what the times of requests and events count from
	Seed   uint64
	Rate   float64 // journeys a second
}

// A Recorder takes finished requests. It is safe for concurrent use and does
// not block on the disk.
type Recorder interface {
	Record(Request)
}
