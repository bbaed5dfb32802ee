package fault

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/topology"
)

// dialLatency slows the setting-up of connections, and nothing else.
type dialLatency struct {
	links
	Delay delay `json:"delay"`
}

func init() {
	register(Kind{Name: "dial_latency", On: onEdges, Needs: needs[deploy.Shaper](),
		Doc:    "Slows the setting-up of connections on an edge; those that are there already do not notice.",
		Params: "delay: {latency: 2s, jitter: 200ms, distribution: uniform|normal|pareto|paretonormal}, latency from 20ms; it has no direction",
		build:  newDialLatency})
}

// shortestDial is the least latency that a probe can tell from what a new
// connection costs a busy machine anyway.
const shortestDial = topology.Duration(20 * time.Millisecond)

func newDialLatency(r chaos.Resolved) (chaos.Fault, error) {
	f := &dialLatency{}
	if err := decode(r.Args, f); err != nil {
		return nil, err
	}
	switch d := f.Delay; {
	case d.Latency < shortestDial || d.Latency > longest:
		return nil, fmt.Errorf("delay.latency must be between %s and %s", shortestDial, longest)
	case d.Jitter < 0 || d.Jitter > d.Latency:
		return nil, errors.New("delay.jitter must be between 0 and delay.latency")
	case d.Correlation != 0:
		return nil, errors.New("delay.correlation has no meaning: a connection is set up once")
	case !slices.Contains(distributions, d.Distribution):
		return nil, fmt.Errorf("unknown delay.distribution %q (want uniform, normal, pareto or paretonormal)", d.Distribution)
	case r.Direction != "" && r.Direction != deploy.Both:
		return nil, errors.New("a set-up has no direction: it takes both")
	}
	return f, f.shape(r, "dial_latency", f.Delay)
}

// Probe wants the first answer on a new connection over every link to take at
// least the latency asked for, the second one on it less than half, or it is
// not the set-up alone that is slow, and the first one past the relay less than
// half as well, or it is not the link; after the lift, it wants a first answer
// that is not late.
func (f *dialLatency) Probe(ctx context.Context, s deploy.System, injected bool) (string, error) {
	floor := f.Delay.floor()
	if !injected {
		err := f.often(false, func(link topology.Link) error {
			// To be late is enough to fail: nobody waits for ten minutes here.
			took, err := f.ping(ctx, s, link, min(floor, 2*time.Second))
			if err == nil && took >= floor {
				err = fmt.Errorf("a new connection still answers after %s", round(took))
			}
			return err
		})
		return fmt.Sprintf("%s within %s", count(len(f.rule.Links), "new connection answers", "new connections answer"), round(floor)), err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*(f.Delay.Latency+f.Delay.Jitter).D()+time.Second)
	defer cancel()
	err := f.often(true, func(link topology.Link) error {
		first, second, err := f.two(ctx, s, link.From, link)
		switch {
		case err != nil:
			return err
		case first < floor:
			return fmt.Errorf("a new connection answered after %s", round(first))
		case second >= floor/2:
			return fmt.Errorf("a connection that is set up answers after %s too: that the set-up is slow cannot be told", round(second))
		}
		direct, _, err := f.two(ctx, s, "", link)
		if err != nil {
			return fmt.Errorf("past the relay: %w", err)
		}
		if direct >= floor/2 {
			return fmt.Errorf("past the relay a new connection takes %s as well: that the link is slow cannot be told", round(direct))
		}
		return nil
	})
	return fmt.Sprintf("%s not before %s, and at once after the first time", count(len(f.rule.Links), "new connection answers", "new connections answer"), round(floor)), err
}

// two asks twice on a new connection between caller, empty for past the relay,
// and the link's callee. The first answer's time is from before the set-up.
func (f *dialLatency) two(ctx context.Context, s deploy.System, caller string, link topology.Link) (first, second time.Duration, err error) {
	address, err := s.Address(caller, link.To)
	if err != nil {
		return 0, 0, err
	}
	protocol, err := protocolOf(s.Topology(), link)
	if err != nil {
		return 0, 0, err
	}
	words, hear, err := twoWords(protocol)
	if err != nil {
		return 0, 0, err
	}
	begin := time.Now()
	conn, err := dial(ctx, address)
	if err != nil {
		return 0, 0, err
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
	var took [2]time.Duration
	for i, word := range words {
		if _, err := io.WriteString(conn, word); err != nil {
			return 0, 0, err
		}
		if err := hear(r); err != nil {
			return 0, 0, err
		}
		took[i] = time.Since(begin)
		begin = time.Now()
	}
	return took[0], took[1], nil
}

// twoWords returns two things that a client may say one after the other on one
// connection without a login, and how an answer to either is heard.
func twoWords(protocol topology.Protocol) (words [2]string, hear func(*bufio.Reader) error, err error) {
	switch protocol {
	case topology.HTTP:
		one, hear := requests(load{})
		return [2]string{one, one}, hear, nil
	case topology.GRPC:
		first, hear := settings(load{})
		return [2]string{first, strings.TrimPrefix(first, greeting)}, hear, nil
	case topology.Postgres:
		// SSLRequest, to which our servers say no, and GSSENCRequest, which may
		// follow it; each is answered with one byte.
		const gss = "\x00\x00\x00\x08\x04\xd2\x16\x30"
		return [2]string{pings[protocol], gss}, func(r *bufio.Reader) error { _, err := r.ReadByte(); return err }, nil
	}
	return words, nil, fmt.Errorf("no question for protocol %q", protocol)
}

// Met reports a call over one of the links that took at least the latency asked
// for, or failed: one that had to wait for a connection.
func (f *dialLatency) Met(s collector.Span) bool {
	return f.crosses(s) && (s.Error || s.Duration() >= f.Delay.floor())
}
