package payment_test

import (
	"context"

	"github.com/jackc/pgx/v5"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// An actor is one request on its way through a replica. It stops before every
// statement, before every question to the bank and before every answer of the
// bank, until a stage tells it how to go on; so a test can run several actors
// in any order of their steps, and let any step be their last.
type actor struct {
	run    func(ctx context.Context) error
	at     chan struct{} // it stands before its next step
	turn   chan verdict
	done   chan struct{}
	dead   bool
	failed error // what run returned
}

// A verdict is what becomes of an actor's next step.
type verdict int

const (
	goOn verdict = iota
	lose         // the message is lost on its way, and the actor notices
	die          // the process dies before the step; it does nothing any more
)

func newActor(run func(ctx context.Context) error) *actor {
	return &actor{run: run, at: make(chan struct{}), turn: make(chan verdict), done: make(chan struct{})}
}

type actorKey struct{}

func (a *actor) start(ctx context.Context) {
	go func() {
		defer close(a.done)
		a.failed = a.run(context.WithValue(ctx, actorKey{}, a))
	}()
}

// arrived waits until the actor stands before a step; false: it has finished.
func (a *actor) arrived() bool {
	select {
	case <-a.at:
		return true
	case <-a.done:
		return false
	}
}

// gate stops the actor of ctx, if it has one, before its next step.
func gate(ctx context.Context) verdict {
	a, ok := ctx.Value(actorKey{}).(*actor)
	if !ok {
		return goOn
	}
	if a.dead {
		return die
	}
	a.at <- struct{}{}
	v := <-a.turn
	a.dead = v == die
	return v
}

// gated is the bank's client: a question and its answer are a step each.
func gated(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if gate(ctx) != goOn {
		return status.Error(codes.Unavailable, "the question was lost")
	}
	err := invoke(ctx, method, req, reply, cc, opts...)
	if gate(ctx) != goOn {
		return status.Error(codes.Unavailable, "the answer was lost")
	}
	return err
}

// gates is the tracer of the database: a statement is a step. (That its answer
// is lost looks to us as if the next step is the last.)
type gates struct{}

func (gates) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	if gate(ctx) == goOn {
		return ctx
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	return ended
}

func (gates) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// play runs actors step by step. Before each step, choose is told which actors
// stand before one, and says whose turn it is and how it goes on.
func play(ctx context.Context, actors []*actor, choose func(standing []int) (who int, v verdict)) {
	standing := []int{}
	for i, a := range actors {
		a.start(ctx)
		if a.arrived() {
			standing = append(standing, i)
		}
	}
	for len(standing) > 0 {
		n, v := choose(standing)
		a := actors[standing[n]]
		a.turn <- v
		if !a.arrived() {
			standing = append(standing[:n:n], standing[n+1:]...)
		}
	}
}

// everyOrder calls trial with a choose function again and again, until every
// order of the actors' steps was played once. It returns how many there were.
func everyOrder(trial func(choose func(standing []int) (int, verdict))) (orders int) {
	var path, width []int // the choice at each step, and how many there were
	for {
		orders++
		depth := 0
		width = width[:0]
		trial(func(standing []int) (int, verdict) {
			if depth == len(path) {
				path = append(path, 0)
			}
			width = append(width, len(standing))
			depth++
			return path[depth-1], goOn
		})
		path = path[:depth]
		for len(path) > 0 && path[len(path)-1] == width[len(path)-1]-1 {
			path = path[:len(path)-1]
		}
		if len(path) == 0 {
			return orders
		}
		path[len(path)-1]++
	}
}
