package impair

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
	"golang.org/x/sys/unix"

	"github.com/bedlamlab/bedlam/deploy"
)

// Packets pass these places in this order, of which every kind has one to itself,
// so that each judges what the one before has let go on. All but a partition's are
// before the kernel looks which connection a packet belongs to, where it does: of
// several that begin one, and wait together, it would let on but the first.
var (
	forBits   = place{"prerouting", nftables.ChainHookPrerouting, -304}
	forLoss   = place{"prerouting", nftables.ChainHookPrerouting, -303}
	forDelay  = place{"prerouting", nftables.ChainHookPrerouting, -302}
	forCopies = place{"prerouting", nftables.ChainHookPrerouting, -301}
	arrived   = place{"input", nftables.ChainHookInput, 0}
	leaving   = place{"output", nftables.ChainHookOutput, 0}
)

func init() {
	registerQueued(PacketCorrupt, forBits, 3, wholePacket, func(c Corrupt, draw *rand.Rand) func([]byte) fate {
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
	registerQueued(PacketLoss, forLoss, 2, headerOnly, func(l Loss, draw *rand.Rand) func([]byte) fate {
		return func([]byte) fate { return fate{lost: draw.Float64() < l.Loss.Share()} }
	})
	registerQueued(PacketDelay, forDelay, 1, headerOnly, func(d Delay, draw *rand.Rand) func([]byte) fate {
		return func([]byte) fate {
			if draw.Float64() < d.Reorder.Share() {
				return fate{}
			}
			stray := (2*draw.Float64() - 1) * float64(d.Jitter)
			return fate{late: d.Latency.D() + time.Duration(stray)}
		}
	})
	registerQueued(PacketDuplicate, forCopies, 4, wholePacket, func(d Duplicate, draw *rand.Rand) func([]byte) fate {
		return func([]byte) fate { return fate{twice: draw.Float64() < d.Duplicate.Share()} }
	})
	register(PacketPartition, func(i deploy.Impairment) (Harm, error) {
		var p Partition
		if err := arguments(i.Args, &p, func() error { return p.Validate() }); err != nil {
			return nil, err
		}
		c := chain{name: "bedlam-partition", verdict: [][]expr.Any{{&expr.Verdict{Kind: expr.VerdictDrop}}}}
		if p.Way != Out {
			c.at = append(c.at, arrived)
		}
		if p.Way != In {
			c.at = append(c.at, leaving)
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

// A ruled harm is done by rules alone.
type ruled struct{ chain }

var _ Packets = ruled{}

// Can implements [Harm].
func (r ruled) Can(t Target) error {
	return inTrial(t, fmt.Sprint(r.name, len(r.at)), r.Try)
}

// Try implements [Packets].
func (r ruled) Try(net string) error {
	return unable(r.insert(Target{Net: net}), "one with nf_tables")
}

// Apply implements [Harm].
func (r ruled) Apply(_ context.Context, t Target, _ func(any) error) error { return r.insert(t) }

// Undo implements [Harm].
func (r ruled) Undo(_ context.Context, t Target, _ json.RawMessage) error { return r.remove(t) }

// Shows implements [Harm].
func (r ruled) Shows(ctx context.Context, t Target) (bool, error) { return r.inserted(ctx, t) }

// A queued harm has the kernel hand each packet that arrives to a holder, which
// says what becomes of it. Without a holder they pass.
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
		q := queued{queue: queue, copied: copied, double: at == forCopies}
		q.chain = chain{name: "bedlam-" + kind[len("packet_"):], at: []place{at}, verdict: toQueue(queue)}
		if q.double { // else a copy would be copied
			device := append([]byte(doubleDevice), make([]byte, unix.IFNAMSIZ-len(doubleDevice))...)
			q.match = []expr.Any{&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1}, &expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: device}}
		}
		q.decide = func() func([]byte) fate { return decide(a, rand.New(rand.NewPCG(i.Seed, uint64(queue)))) }
		return q, nil
	})
}

// toQueue hands packets to who takes them from a queue, if there is somebody: by
// nf_tables' own word for it, or by that of iptables, which some kernels have
// instead.
func toQueue(queue uint16) [][]expr.Any {
	const (
		revision = 3 // of xt_NFQ_info: the queue's number, how many, and flags
		bypass   = 1
		padding  = 2 // the kernel wants its size in whole words
	)
	info := binary.NativeEndian.AppendUint16(nil, queue)
	info = binary.NativeEndian.AppendUint16(info, 1)
	info = binary.NativeEndian.AppendUint16(info, bypass)
	old := xt.Unknown(append(info, make([]byte, padding)...))
	return [][]expr.Any{
		{&expr.Queue{Num: queue, Flag: expr.QueueFlagBypass}},
		{&expr.Target{Name: "NFQUEUE", Rev: revision, Info: &old}},
	}
}

var _ Packets = queued{}

// Can implements [Harm].
func (q queued) Can(t Target) error { return inTrial(t, q.name, q.Try) }

// Try implements [Packets].
func (q queued) Try(net string) error {
	l, err := listen(net, q.queue, q.copied)
	if err == nil {
		err = l.conn.Close()
	}
	if err == nil && q.double {
		var again *os.File
		if again, err = openDouble(net); err == nil {
			err = again.Close()
		}
	}
	if err == nil {
		err = q.insert(Target{Net: net})
	}
	return unable(err, "one with nf_tables, and with nft_queue or xt_NFQUEUE")
}

// Apply implements [Harm].
func (q queued) Apply(_ context.Context, t Target, _ func(any) error) error { return q.insert(t) }

// Undo implements [Harm].
func (q queued) Undo(_ context.Context, t Target, _ json.RawMessage) error { return q.remove(t) }

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
