package fault

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/topology"
)

// A load is how many bytes went each way.
type load struct{ to, from int }

// exchange moves at least want each way between a caller of our own and the
// callee at address, in words of the protocol to which every server answers,
// and returns how much it was and how long it took, without the set-up. dsn,
// which only PostgreSQL needs, is how to log in.
func exchange(ctx context.Context, protocol topology.Protocol, address, dsn string, want load) (load, time.Duration, error) {
	return exchangeBy(ctx, func(ctx context.Context) (net.Conn, error) { return dial(ctx, address) }, protocol, dsn, want)
}

// exchangeBy is exchange on a connection that reach makes.
func exchangeBy(ctx context.Context, reach func(context.Context) (net.Conn, error), protocol topology.Protocol, dsn string, want load) (load, time.Duration, error) {
	if protocol == topology.Postgres {
		return query(ctx, reach, dsn, want)
	}
	var words string
	var hear func(*bufio.Reader) error
	switch protocol {
	case topology.HTTP:
		words, hear = requests(want)
	case topology.GRPC:
		words, hear = settings(want)
	default:
		return load{}, 0, fmt.Errorf("no exchange for protocol %q", protocol)
	}
	conn, err := reach(ctx)
	if err != nil {
		return load{}, 0, err
	}
	defer conn.Close()
	begin := time.Now()
	// Both ways at once: a server does not read on while nobody hears it.
	said := make(chan error, 1)
	go func() {
		_, err := io.WriteString(conn, words)
		said <- err
	}()
	heard := &counter{r: conn}
	err = hear(bufio.NewReader(heard))
	took := time.Since(begin)
	conn.Close() // whoever still speaks may stop
	if saidErr := <-said; err == nil {
		err = saidErr
	}
	return load{len(words), heard.n}, took, err
}

// A counter counts what is read.
type counter struct {
	r io.Reader
	n int
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += n
	return n, err
}

// requests asks for /healthz again and again on one connection without waiting
// for the answers, each padded for its share of what is to be said.
func requests(want load) (string, func(*bufio.Reader) error) {
	const (
		leastAnswer = 75      // bytes: a status line, Date, Content-Length and a body of a few letters
		mostPadding = 4 << 10 // bytes; a server takes headers of 8 KiB at the least
	)
	n := max(1, ceil(want.from, leastAnswer), ceil(want.to, mostPadding))
	padding := strings.Repeat("x", ceil(want.to, n))
	words := strings.Repeat("GET /healthz HTTP/1.1\r\nHost: ping\r\nX-Padding: "+padding+"\r\n\r\n", n)
	return words, responses(n)
}

// responses hears so many of HTTP.
func responses(n int) func(*bufio.Reader) error {
	return func(r *bufio.Reader) error {
		for range n {
			res, err := http.ReadResponse(r, nil)
			if err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, res.Body)
			res.Body.Close()
			if err != nil {
				return err
			}
		}
		return nil
	}
}

// greeting is what a client of HTTP/2 says first (RFC 9113, section 3.4).
const greeting = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// settings sends SETTINGS frames, each of which a server of HTTP/2 must
// acknowledge with a frame of 9 bytes (RFC 9113, section 6.5.3). What is to be
// said is filled up with settings of unknown names, which it must ignore.
func settings(want load) (string, func(*bufio.Reader) error) {
	const (
		header  = 9    // bytes, of every frame
		entry   = 6    // bytes, of each setting
		most    = 100  // settings in a frame; some servers take more for an attack
		frame   = 4    // the type of SETTINGS
		unknown = 0xf0 // the first name: far above those that exist
		ackFlag = 1
		longest = 16 << 10 // bytes of a frame that a server may send unasked
	)
	n := max(1, ceil(want.from, header), ceil(want.to, header+most*entry))
	entries := min(most, ceil(max(0, want.to-n*header), n*entry))
	one := make([]byte, header, header+entries*entry)
	one[1], one[2], one[3] = byte(entries*entry>>8), byte(entries*entry), frame
	for i := range entries {
		one = binary.BigEndian.AppendUint16(one, uint16(unknown+i))
		one = append(one, 0, 0, 0, 0)
	}
	words := greeting + strings.Repeat(string(one), n)
	return words, func(r *bufio.Reader) error {
		for acknowledged := 0; acknowledged < n; {
			var h [header]byte
			if _, err := io.ReadFull(r, h[:]); err != nil {
				return err
			}
			length := int(h[0])<<16 | int(h[1])<<8 | int(h[2])
			if length > longest {
				return fmt.Errorf("a frame of %d bytes: the callee does not speak HTTP/2", length)
			}
			if _, err := r.Discard(length); err != nil {
				return err
			}
			if h[3] == frame && h[4]&ackFlag != 0 {
				acknowledged++
			}
		}
		return nil
	}
}

// query logs in as the audit's role and asks one question of that length for
// an answer of that length. What the protocol adds is not counted.
func query(ctx context.Context, reach func(context.Context) (net.Conn, error), dsn string, want load) (load, time.Duration, error) {
	conn, leave, err := logIn(ctx, reach, dsn)
	if err != nil {
		return load{}, 0, err
	}
	defer leave()
	begin := time.Now()
	r := conn.ExecParams(ctx, "SELECT repeat('x', $2::int), length($1::text)",
		[][]byte{[]byte(strings.Repeat("x", want.to)), fmt.Appendf(nil, "%d", want.from)}, nil, nil, nil).Read()
	took := time.Since(begin)
	if r.Err != nil {
		return load{}, 0, r.Err
	}
	return load{want.to, len(r.Rows[0][0])}, took, nil
}

// logIn opens a session on a connection that reach makes; leave ends it.
func logIn(ctx context.Context, reach func(context.Context) (net.Conn, error), dsn string) (conn *pgconn.PgConn, leave func(), err error) {
	config, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return nil, nil, err
	}
	config.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) { return reach(ctx) }
	conn, err = pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, nil, fmt.Errorf("logging in: %w", err)
	}
	return conn, func() {
		parting, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		conn.Close(parting)
	}, nil
}

// login is how the audit's role logs in at a callee: empty for one that is no
// store.
func login(s deploy.System, protocol topology.Protocol, callee string) (string, error) {
	if protocol != topology.Postgres {
		return "", nil
	}
	p, err := deploy.Power[deploy.Databaser](s)
	if err != nil {
		return "", err
	}
	return p.DSN(callee, deploy.AuditRole)
}

// ceil is a/b rounded up.
func ceil(a, b int) int { return (a + b - 1) / b }
