package bedlam

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/impair"
	"github.com/bedlamlab/bedlam/topology"
)

// How many are counted in a round. Over the eleven rounds that are usual, the
// 99 % interval of each share is then a few hundredths of it to either side.
const (
	benchAsked       = 1000
	benchBlocks      = 10_000
	benchConnections = 300
	benchLetters     = 20 * benchPost
)

// What is asked for.
const (
	benchAborted = 30 // % of requests
	benchGarbled = 5  // % of KiB
	benchToxic   = 25 // % of connections
	benchLost    = 10 // % of packets; of wrong ones as well
)

// benchBlock is the piece of a stream of which the relay corrupts a share.
const benchBlock = 1 << 10

// A benchShare is a share that is asked for, and how what it is of is counted.
type benchShare struct {
	name    string
	percent float64
	packets bool // it takes a network namespace
	count   func(ctx context.Context, f *benchField, seed uint64) (seen, of int, err error)
}

func benchShares() []benchShare {
	return []benchShare{
		{"requests aborted (relay, abort by percent)", benchAborted, false, aborted},
		{"KiB with a wrong bit (relay, corrupt by percent)", benchGarbled, false, garbled},
		{"connections with wrong bits (relay, corrupt by toxicity)", benchToxic, false, toxic},
		{"packets lost (kernel, packet_loss)", benchLost, true, func(ctx context.Context, f *benchField, seed uint64) (int, int, error) {
			return f.packets.missing(ctx, benchPacketLoss(seed))
		}},
		{"packets with a wrong bit (kernel, packet_corrupt)", benchLost, true, func(ctx context.Context, f *benchField, seed uint64) (int, int, error) {
			return f.packets.missing(ctx, benchPacketCorrupt(seed))
		}},
	}
}

func benchPacketLoss(seed uint64) deploy.Impairment {
	return packetHarm(impair.PacketLoss, fmt.Sprintf(`{"loss":%d}`, benchLost), seed)
}

func benchPacketCorrupt(seed uint64) deploy.Impairment {
	return packetHarm(impair.PacketCorrupt, fmt.Sprintf(`{"corrupt":%d}`, benchLost), seed)
}

// A benchCount is how many of how many were seen.
type benchCount struct{ seen, of int }

// shares counts every share once more. Each round has a seed of its own.
func (f *benchField) shares(ctx context.Context, round int, counts map[string]benchCount) error {
	for _, s := range benchShares() {
		if s.packets && f.packets == nil {
			continue
		}
		seen, of, err := s.count(ctx, f, uint64(round+1))
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		c := counts[s.name]
		counts[s.name] = benchCount{c.seen + seen, c.of + of}
	}
	return nil
}

// under does something while the relay has a rule on one of its links.
func (f *benchField) under(ctx context.Context, r deploy.Rule, link topology.Link, do func() error) error {
	r.ID, r.Links, r.TTL = "share", []topology.Link{link}, topology.Duration(10*time.Minute) // nobody renews it here
	if err := f.relay.Shape(ctx, r); err != nil {
		return err
	}
	return errors.Join(do(), f.relay.Unshape(context.WithoutCancel(ctx), r.ID))
}

// aborted counts the requests that the relay answers in place of the server.
func aborted(ctx context.Context, f *benchField, seed uint64) (seen, of int, err error) {
	rule := deploy.Rule{Kind: "abort", Direction: deploy.Both, Args: json.RawMessage(fmt.Sprintf(`{"percent":%d}`, benchAborted)), Seed: seed}
	err = f.under(ctx, rule, f.readLink, func() error {
		v, err := visit(ctx, f.readAddress)
		if err != nil {
			return err
		}
		defer v.Close()
		for ; of < benchAsked; of++ {
			switch status, err := v.status(benchEcho); {
			case err != nil:
				return err
			case status == http.StatusServiceUnavailable:
				seen++
			case status != http.StatusOK:
				return fmt.Errorf("status %d", status)
			}
		}
		return nil
	})
	return seen, of, err
}

// garbled counts the KiB that come with a wrong bit, past the answer's header:
// what the server pours is zeros.
func garbled(ctx context.Context, f *benchField, seed uint64) (seen, of int, err error) {
	rule := deploy.Rule{Kind: "corrupt", Direction: deploy.From, Args: json.RawMessage(fmt.Sprintf(`{"percent":%d}`, benchGarbled)), Seed: seed}
	err = f.under(ctx, rule, f.link, func() error {
		seen, err = wrongBlocks(ctx, f.address, benchBlocks)
		return err
	})
	return seen, benchBlocks, err
}

// toxic counts the connections of which every KiB has a wrong bit.
func toxic(ctx context.Context, f *benchField, seed uint64) (seen, of int, err error) {
	rule := deploy.Rule{Kind: "corrupt", Direction: deploy.From, Args: json.RawMessage(`{"percent":100}`), Toxicity: benchToxic / 100.0, Seed: seed}
	err = f.under(ctx, rule, f.link, func() error {
		for ; of < benchConnections; of++ {
			wrong, err := wrongBlocks(ctx, f.address, 1)
			if err != nil {
				return err
			}
			seen += wrong
		}
		return nil
	})
	return seen, of, err
}

// wrongBlocks counts, of that many KiB of one connection, those that are not
// zeros throughout. The first, in which the answer's header is, comes before.
func wrongBlocks(ctx context.Context, address string, of int) (wrong int, err error) {
	v, err := visit(ctx, address)
	if err != nil {
		return 0, err
	}
	defer v.Close()
	if err := v.begin(benchPour); err != nil {
		return 0, err
	}
	var block, zeros [benchBlock]byte
	for n := range of + 1 {
		if _, err := io.ReadFull(v.read, block[:]); err != nil {
			return 0, err
		}
		if n > 0 && block != zeros {
			wrong++
		}
	}
	return wrong, nil
}
