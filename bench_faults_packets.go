package bedlam

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/cell"
	"github.com/bedlamlab/bedlam/deploy/impair"
)

// benchPackets is a network namespace in which packets are harmed as those of
// an isolated instance are. It goes with this process, however that ends.
type benchPackets struct {
	target impair.Target
	plane  *impair.Plane
	leave  chan struct{} // closed: nobody needs it any more
	left   chan error
}

// benchPacketDelay is the harm whose coming and going is measured: one of those
// that take most, with a rule, a holder and a queue between them.
func benchPacketDelay() deploy.Impairment {
	return packetHarm(impair.PacketDelay, fmt.Sprintf(`{"latency":%q}`, benchDelay), 1)
}

func packetHarm(kind, args string, seed uint64) deploy.Impairment {
	return deploy.Impairment{ID: "bench", Instances: []string{"bench"}, Kind: kind, Args: json.RawMessage(args), Seed: seed}
}

// newBenchPackets makes one. The error says what is missing, and what would give
// it.
func newBenchPackets(ctx context.Context, self, scratch string) (*benchPackets, error) {
	if err := cell.Check(); err != nil {
		return nil, err
	}
	p := &benchPackets{leave: make(chan struct{}), left: make(chan error, 1)}
	at := make(chan string)
	go func() {
		p.left <- cell.Trial(func(path string) error {
			if err := cell.Loopback(); err != nil {
				return err
			}
			at <- path
			<-p.leave
			return nil
		})
	}()
	select {
	case path := <-at:
		p.target = impair.Target{Instance: "bench", Net: path}
	case err := <-p.left:
		return nil, err
	}
	p.plane = impair.New(filepath.Join(scratch, "impair"), self, func(context.Context, string) (impair.Target, error) { return p.target, nil })
	for _, i := range []deploy.Impairment{benchPacketDelay(), benchPacketLoss(1), benchPacketCorrupt(1)} {
		if err := p.plane.CanImpair(ctx, i); err != nil {
			p.close()
			return nil, err
		}
	}
	return p, nil
}

func (p *benchPackets) close() {
	p.plane.Close()
	close(p.leave)
	<-p.left
}

// shape measures how long a packet fault takes to come and to go, and how long
// the kernel takes for the same rules alone: no record, no holder and no
// read-back, which is what its floor is.
func (p *benchPackets) shape(ctx context.Context, values map[benchKey]float64) error {
	i := benchPacketDelay()
	bare, err := impair.Build(i)
	if err != nil {
		return err
	}
	ways := []struct {
		name        string
		apply, lift func(context.Context) error
	}{
		{benchOurs,
			func(ctx context.Context) error { return p.plane.Impair(ctx, i) },
			func(ctx context.Context) error { return p.plane.Repair(ctx, i.ID) }},
		{benchFloor,
			func(ctx context.Context) error {
				return bare.Apply(ctx, p.target, func(any) error { return nil })
			},
			func(ctx context.Context) error { return bare.Undo(ctx, p.target, nil) }},
	}
	rand.Shuffle(len(ways), func(i, j int) { ways[i], ways[j] = ways[j], ways[i] })
	for _, w := range ways {
		apply, err := timed(ctx, w.apply)
		if err != nil {
			return err
		}
		lift, err := timed(context.WithoutCancel(ctx), w.lift)
		if err != nil {
			return err
		}
		values[benchKey{benchPacketApply, w.name}] = milliseconds(apply)
		values[benchKey{benchPacketLift, w.name}] = milliseconds(lift)
	}
	return nil
}

func milliseconds(d time.Duration) float64 { return 1e3 * d.Seconds() }
