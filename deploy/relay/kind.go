package relay

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/names"
	"github.com/bedlamlab/bedlam/deploy/relay/message"
	"github.com/bedlamlab/bedlam/topology"
)

// A Kind describes one thing that a rule may do.
type Kind struct {
	Name string
	Doc  string // one or two sentences
	Args []Arg
}

// An Arg describes one argument of a kind.
type Arg struct {
	Name    string
	Type    string // duration, percent, probability, rate, bytes, or the words it may be
	Default string // empty: there is none
	Doc     string
}

// Kinds lists every kind by name.
func Kinds() []Kind {
	var all []Kind
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		all = append(all, kinds[name].Kind)
	}
	return all
}

// A harm is a kind whose arguments are decoded: what one rule does. It is
// shared by all the connections that meet it and keeps no state of theirs.
type harm interface {
	// meet decides what the rule does to one connection, live or new. draws
	// gives the random numbers of a direction, a stream of its own.
	meet(draws func(deploy.Direction) *rand.Rand) effect
}

// A shared harm keeps something that the connections of a link have in common.
type shared interface {
	harm
	// onLink returns the harm for the connections of one link.
	onLink() harm
}

// A barring harm keeps new connections out: while it is on a link, nothing
// listens there.
type barring interface {
	harm
	bars()
}

// A misleading harm meets the questions for a link's name, and no connection.
type misleading interface {
	harm
	// mislead changes the fate of one question, and reports whether it has.
	mislead(f *names.Fate, draw *rand.Rand) bool
}

// An effect is what one rule does to one connection. The zero effect does
// nothing.
type effect struct {
	// to and from shape the bytes of a direction; nil lets them pass. The
	// engine uses only the directions that the rule names.
	to, from shaper
	// requests meddles with the requests on the connection, if it is not nil.
	requests meddler
	// reset ends the connection at once, in the way of [conn.reset].
	reset bool
	// breaks says that a connection that the rule has touched cannot go on
	// without it: it is reset, like that, when the rule goes.
	breaks bool
	// expires says when the rule ends the connection by itself; nil: never.
	expires *expiry
}

// A shaper changes one direction of one connection. It is called by one
// goroutine, chunk after chunk in their order, and must not block.
type shaper interface {
	// shape passes c on by calling emit, now or in pieces or not at all; the
	// time of what it emits says when that may go on, [never] withholds it
	// until the rule goes. It reports whether it changed anything: that is
	// the evidence that the rule had an effect.
	shape(c chunk, emit func(chunk)) bool
}

// A meddler changes the fate of one request, after the rules that came before
// its own have; who says what it did is m. It is called by one goroutine at a
// time and must not block.
type meddler func(q message.Request, f *message.Fate, m *meeting)

// A choosy harm is not for every edge.
type choosy interface {
	harm
	// suits says why it is not for an edge of that protocol.
	suits(p topology.Protocol) error
}

// A pacer is a shaper whose chunks take turns with those of other connections:
// it gives a chunk its time when the chunk is the first of its queue, and not
// before, so that nobody's queue stands in the way of another's.
type pacer interface {
	shaper
	// pace returns when c, whose time has come at its at, may go on.
	pace(c chunk, now time.Time) time.Time
}

// A cutter is a pacer that takes chunks apart when their time has come, and not
// before: until then they wait whole.
type cutter interface {
	pacer
	// cut returns how many bytes of c, at least one, go on now. The rest waits
	// for a time of its own.
	cut(c chunk, now time.Time) int
}

type registration struct {
	Kind
	decode func(deploy.Rule) (harm, error)
}

var kinds = map[string]registration{}

// register makes a kind known; it panics if the name is taken. decode is strict
// and answers in one line.
func register(k Kind, decode func(deploy.Rule) (harm, error)) {
	if _, taken := kinds[k.Name]; taken {
		panic(fmt.Sprintf("relay: kind %s is registered twice", k.Name))
	}
	kinds[k.Name] = registration{k, decode}
}
