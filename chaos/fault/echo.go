package fault

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"

	"github.com/bedlamlab/bedlam/deploy"
)

// Echoes are the answers to some echo requests, each a packet there and a
// packet back, which no program of the instance has a hand in.
type Echoes struct {
	Sent  int
	Took  []time.Duration // of those that came back, sorted
	Twice int             // of those, how many came back again
}

// Lost is how many did not come back.
func (e Echoes) Lost() int { return e.Sent - len(e.Took) }

// At least returns how many came back after d or later.
func (e Echoes) atLeast(d time.Duration) int {
	at, _ := slices.BinarySearch(e.Took, d)
	return len(e.Took) - at
}

const (
	// inARow is how many echo requests are sent without a pause: a fraction of
	// what the shortest buffer on the way holds.
	inARow = 20
	// echoPause is the pause after that many.
	echoPause = time.Millisecond
)

// Echo sends n echo requests to an address and waits for the answers for as
// long as patience after the last one; after the last answer, for as long as
// linger, for those that come twice. It needs root, as every harm to packets.
func Echo(ctx context.Context, to netip.Addr, n int, patience, linger time.Duration) (Echoes, error) {
	fail := func(err error) (Echoes, error) { return Echoes{}, fmt.Errorf("echo requests to %s: %w", to, err) }
	conn, err := icmp.ListenPacket("ip4:icmp", "0.0.0.0")
	if err != nil {
		return fail(err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	id := rand.IntN(1 << 16) // of ours among all that hear the answers of this machine
	sent := make([]time.Time, n)
	failed := make(chan error, 1)
	go func() {
		failed <- func() error {
			for i := range n {
				b, err := (&icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: id, Seq: i, Data: make([]byte, 48)}}).Marshal(nil)
				if err != nil {
					return err
				}
				sent[i] = time.Now()
				if _, err := conn.WriteTo(b, &net.IPAddr{IP: to.AsSlice()}); err != nil {
					return err
				}
				if i%inARow == inARow-1 {
					time.Sleep(echoPause)
				}
			}
			return conn.SetReadDeadline(time.Now().Add(patience))
		}()
	}()
	e := Echoes{Sent: n}
	seen := make([]bool, n)
	at := make([]time.Time, n)
	b := make([]byte, 1500)
	for back := 0; back < n || linger > 0; {
		size, from, err := conn.ReadFrom(b)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil {
			conn.Close()
			return fail(errors.Join(err, <-failed))
		}
		m, err := icmp.ParseMessage(1, b[:size]) // 1 is ICMP's number
		if err != nil || m.Type != ipv4.ICMPTypeEchoReply || from.String() != to.String() {
			continue
		}
		echo, ok := m.Body.(*icmp.Echo)
		if !ok || echo.ID != id || echo.Seq >= n {
			continue
		}
		if seen[echo.Seq] {
			e.Twice++
			continue
		}
		seen[echo.Seq], at[echo.Seq] = true, time.Now()
		if back++; back == n && linger > 0 {
			conn.SetReadDeadline(time.Now().Add(linger))
		}
	}
	if err := <-failed; err != nil {
		return fail(err)
	}
	if ctx.Err() != nil {
		return fail(context.Cause(ctx))
	}
	for i := range n {
		if seen[i] {
			e.Took = append(e.Took, at[i].Sub(sent[i]))
		}
	}
	slices.Sort(e.Took)
	return e, nil
}

// echo sends echo requests to an instance.
func echo(ctx context.Context, s deploy.System, instance string, n int, patience, linger time.Duration) (Echoes, error) {
	address, err := s.Address("", instance)
	if err != nil {
		return Echoes{}, err
	}
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return Echoes{}, fmt.Errorf("where %s is: %w", instance, err)
	}
	return Echo(ctx, at.Addr(), n, patience, linger)
}
