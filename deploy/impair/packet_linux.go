package impair

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
)

// Of a packet that was judged, the kernel skips the rest of the rules in the same
// table and hook. So every kind has one to itself, which packets pass in this
// order; and what is cut off by a partition is so before filter's last rules.
var (
	beforeAll = place{"raw", "PREROUTING"}
	before    = place{"mangle", "PREROUTING"}
	onArrival = place{"mangle", "INPUT"}
	atLast    = place{"filter", "INPUT"}
)

// A place is where rules stand.
type place struct{ table, hook string }

func init() {
	registerQueued(PacketCorrupt, beforeAll, 3, wholePacket, func(c Corrupt, draw *rand.Rand) func([]byte) fate {
		return func(packet []byte) fate {
			header := headerOf(packet)
			if draw.Float64() >= c.Corrupt.Share() || header >= len(packet) {
				return fate{}
			}
			bit := draw.IntN(8 * (len(packet) - header))
			packet[header+bit/8] ^= 1 << (bit % 8)
			return fate{changed: packet}
		}
	})
	registerQueued(PacketLoss, before, 2, headerOnly, func(l Loss, draw *rand.Rand) func([]byte) fate {
		return func([]byte) fate { return fate{lost: draw.Float64() < l.Loss.Share()} }
	})
	registerQueued(PacketDelay, onArrival, 1, headerOnly, func(d Delay, draw *rand.Rand) func([]byte) fate {
		return func([]byte) fate {
			if draw.Float64() < d.Reorder.Share() {
				return fate{}
			}
			stray := (2*draw.Float64() - 1) * float64(d.Jitter)
			return fate{late: d.Latency.D() + time.Duration(stray)}
		}
	})
	registerQueued(PacketDuplicate, atLast, 4, wholePacket, func(d Duplicate, draw *rand.Rand) func([]byte) fate {
		return func([]byte) fate { return fate{twice: draw.Float64() < d.Duplicate.Share()} }
	})
	register(PacketPartition, func(i deploy.Impairment) (Harm, error) {
		var p Partition
		if err := arguments(i.Args, &p, func() error { return p.Validate() }); err != nil {
			return nil, err
		}
		c := chain{table: "filter", name: "bedlam-partition", target: []string{"DROP"}}
		if p.Way != Out {
			c.hooks = append(c.hooks, "INPUT")
		}
		if p.Way != In {
			c.hooks = append(c.hooks, "OUTPUT")
		}
		return ruled{c}, nil
	})
}

// arguments reads an impairment's arguments and checks them.
func arguments(args json.RawMessage, to any, validate func() error) error {
	if err := decode(args, to); err != nil {
		return err
	}
	return validate()
}

// headerOf returns the length of a packet's IPv4 header.
func headerOf(packet []byte) int {
	if len(packet) < 20 || packet[0]>>4 != 4 {
		return len(packet)
	}
	return int(packet[0]&0xf) * 4
}

// A ruled harm is done by rules of iptables alone.
type ruled struct{ chain }

// Can implements [Harm].
func (r ruled) Can(t Target) error { return r.can(t, nil) }

// Apply implements [Harm].
func (r ruled) Apply(ctx context.Context, t Target, _ func(any) error) error {
	return r.insert(ctx, t)
}

// Undo implements [Harm].
func (r ruled) Undo(ctx context.Context, t Target, _ json.RawMessage) error {
	return r.remove(ctx, t)
}

// Shows implements [Harm].
func (r ruled) Shows(ctx context.Context, t Target) (bool, error) { return r.inserted(ctx, t) }

// A queued harm has the kernel hand each packet that arrives to a holder, which
// says what becomes of it. Without a holder they pass: that is --queue-bypass.
type queued struct {
	chain
	queue  uint16
	copied uint32 // how many bytes of each packet the holder wants to see
	double bool   // some arrive twice
	decide func() func(packet []byte) fate
}

// registerQueued adds a kind of which each packet's fate is drawn.
func registerQueued[A interface{ Validate() error }](kind string, at place, queue uint16, copied uint32, decide func(A, *rand.Rand) func([]byte) fate) {
	register(kind, func(i deploy.Impairment) (Harm, error) {
		var a A
		if err := arguments(i.Args, &a, func() error { return a.Validate() }); err != nil {
			return nil, err
		}
		q := queued{queue: queue, copied: copied, double: at == atLast}
		q.chain = chain{table: at.table, hooks: []string{at.hook}, last: at == atLast, name: "bedlam-" + kind[len("packet_"):],
			target: []string{"NFQUEUE", "--queue-num", itoa(queue), "--queue-bypass"}}
		if q.double {
			q.match = []string{"!", "-i", doubleDevice} // else a copy would be copied
		}
		q.decide = func() func([]byte) fate { return decide(a, rand.New(rand.NewPCG(i.Seed, uint64(queue)))) }
		return q, nil
	})
}

// Can implements [Harm].
func (q queued) Can(t Target) error {
	return q.can(t, func(net string) error {
		l, err := listen(net, q.queue, q.copied)
		if err != nil {
			return err
		}
		if q.double {
			again, err := openDouble(net)
			if err != nil {
				return errors.Join(err, l.conn.Close())
			}
			again.Close()
		}
		return l.conn.Close()
	})
}

// Apply implements [Harm].
func (q queued) Apply(ctx context.Context, t Target, _ func(any) error) error {
	return q.insert(ctx, t)
}

// Undo implements [Harm].
func (q queued) Undo(ctx context.Context, t Target, _ json.RawMessage) error {
	return q.remove(ctx, t)
}

// Shows implements [Harm]: packets are handed over, and somebody takes them.
func (q queued) Shows(ctx context.Context, t Target) (bool, error) {
	if inserted, err := q.inserted(ctx, t); err != nil || !inserted {
		return false, err
	}
	return listening(t.Net, q.queue)
}

// Hold implements [Held].
func (q queued) Hold(ctx context.Context, t Target, ready func()) error {
	l, err := listen(t.Net, q.queue, q.copied)
	if err != nil {
		return err
	}
	if q.double {
		if l.again, err = openDouble(t.Net); err != nil {
			l.conn.Close()
			return err
		}
		defer l.again.Close()
	}
	return l.judge(ctx, q.decide(), ready)
}
