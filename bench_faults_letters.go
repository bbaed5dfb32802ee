package bedlam

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/cell"
)

// benchPost is how many letters are under way together: far fewer than the
// smallest buffer of a socket holds, so that none is lost but by the harm.
const benchPost = 50

// missing counts the packets that do not arrive while packets are harmed. A
// wrong one is thrown away by the receiver's kernel, for its checksum.
func (p *benchPackets) missing(ctx context.Context, harm deploy.Impairment) (seen, of int, err error) {
	if err := p.plane.Impair(ctx, harm); err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, p.plane.Repair(context.WithoutCancel(ctx), harm.ID)) }()
	var in net.PacketConn
	var out net.Conn
	err = cell.Enter(p.target.Net, func() (err error) {
		if in, err = net.ListenPacket("udp4", "127.0.0.1:0"); err != nil {
			return err
		}
		out, err = net.Dial("udp4", in.LocalAddr().String())
		return err
	})
	if in != nil {
		defer in.Close()
	}
	if err != nil {
		return 0, 0, err
	}
	defer out.Close()
	for ; of < benchLetters && err == nil; of += benchPost {
		var arrived int
		arrived, err = post(ctx, in, out, of)
		seen += benchPost - arrived
	}
	return seen, of, err
}

// post sends letters, numbered from first, and returns how many arrive. Packets
// keep their order, so that all have that will when the end has come, which is
// sent until one of it arrives.
func post(ctx context.Context, in net.PacketConn, out net.Conn, first int) (arrived int, err error) {
	for n := range benchPost {
		if _, err := fmt.Fprintf(out, "letter %d", first+n); err != nil {
			return 0, err
		}
	}
	const again = 20 * time.Millisecond // after which it is taken for lost
	b := make([]byte, 64)
	for until := time.Now().Add(benchPatience); time.Now().Before(until) && ctx.Err() == nil; {
		if _, err := fmt.Fprintf(out, "end %d", first); err != nil {
			return 0, err
		}
		in.SetReadDeadline(time.Now().Add(again))
		for {
			size, _, err := in.ReadFrom(b)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil {
				return 0, err
			}
			var kind string
			var number int
			if _, err := fmt.Sscan(string(b[:size]), &kind, &number); err != nil {
				return 0, fmt.Errorf("a packet arrives as %q: %w", b[:size], err)
			}
			switch {
			case kind == "end" && number == first:
				return arrived, nil
			case kind == "letter" && number >= first:
				arrived++
			}
		}
	}
	if err := context.Cause(ctx); err != nil {
		return 0, err
	}
	return 0, errors.New("nothing arrives any more")
}
