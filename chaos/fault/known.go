package fault

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bedlamlab/bedlam/topology"
)

// A known conversation is one whose answer is known to the byte, because the
// callee has given it before.
type known struct {
	words  string
	answer []byte
	varies []bool // bytes of the answer that are another one each time: a date
}

const (
	// knownSize is how much is said, bytes: enough for some hits at a few
	// percent, and answered within milliseconds.
	knownSize = 32 << 10
	// knownTime bounds one conversation: words that lost their end in a wrong
	// length are waited for no longer.
	knownTime = time.Second
)

// rehearse has the conversation twice with the callee itself. An error says
// also that it does not answer the same twice.
func rehearse(ctx context.Context, p party) (*known, error) {
	if p.protocol == topology.Postgres { // which says what it is told
		k := &known{words: strings.Repeat("bedlam ", knownSize/7)}
		wrong, _, err := k.compare(ctx, p)
		if wrong != "" {
			err = errors.New(wrong)
		}
		return k, err
	}
	var k known
	var hear func(*bufio.Reader) error
	switch p.protocol {
	case topology.HTTP:
		n := knownSize / len(keptOpen)
		k.words = strings.Repeat(keptOpen, n)
		hear = responses(n)
	case topology.GRPC:
		k.words, hear = settings(load{from: knownSize})
	default:
		return nil, fmt.Errorf("no conversation for protocol %q", p.protocol)
	}
	err := k.talk(ctx, p, func(r io.Reader) error {
		var all bytes.Buffer
		err := hear(bufio.NewReader(io.TeeReader(r, &all)))
		k.answer = all.Bytes()
		return err
	})
	if err != nil {
		return nil, err
	}
	k.varies = make([]bool, len(k.answer))
	const date, length = "\r\nDate: ", len("Mon, 02 Jan 2006 15:04:05 GMT")
	for at := 0; ; {
		i := bytes.Index(k.answer[at:], []byte(date))
		if i < 0 {
			break
		}
		at += i + len(date)
		for j := at; j < min(at+length, len(k.varies)); j++ {
			k.varies[j] = true
		}
	}
	if wrong, _, err := k.compare(ctx, p); wrong != "" || err != nil {
		return nil, errors.Join(fmt.Errorf("it does not answer the same twice: %s", wrong), err)
	}
	return &k, nil
}

// talk says the words on a connection of its own while hear listens.
func (k *known) talk(ctx context.Context, p party, hear func(io.Reader) error) error {
	ctx, cancel := context.WithTimeout(ctx, knownTime)
	defer cancel()
	conn, err := dial(ctx, p.address)
	if err != nil {
		return err
	}
	defer conn.Close()
	said := make(chan struct{})
	go func() {
		defer close(said)
		_, _ = io.WriteString(conn, k.words) // whoever does not listen does not answer either
	}()
	err = hear(conn)
	conn.Close() // whoever still speaks may stop
	<-said
	return err
}

// compare has the conversation with p and says in which way the answer is
// wrong, if it is, how much went each way, and with which error it ended.
func (k *known) compare(ctx context.Context, p party) (wrong string, moved load, err error) {
	if p.protocol == topology.Postgres {
		return k.echoed(ctx, p)
	}
	heard := 0
	err = k.talk(ctx, p, func(r io.Reader) error {
		b := make([]byte, 16<<10)
		for heard < len(k.answer) {
			n, err := r.Read(b[:min(len(b), len(k.answer)-heard)])
			for i, got := range b[:n] {
				if want := k.answer[heard+i]; got != want && !k.varies[heard+i] {
					wrong = fmt.Sprintf("%#02x for %#02x at byte %d", got, want, heard+i)
					return nil
				}
			}
			if heard += n; err != nil {
				return err
			}
		}
		return nil
	})
	return wrong, load{to: len(k.words), from: heard}, err
}

// echoed asks PostgreSQL for the words.
func (k *known) echoed(ctx context.Context, p party) (wrong string, moved load, err error) {
	ctx, cancel := context.WithTimeout(ctx, knownTime)
	defer cancel()
	var m meter
	conn, leave, err := logIn(ctx, m.reach(p.address), p.dsn)
	if err != nil {
		return "", load{}, err
	}
	defer leave()
	r := conn.ExecParams(ctx, "SELECT $1::text", [][]byte{[]byte(k.words)}, nil, nil, nil).Read()
	moved = load{to: int(m.said.Load()), from: int(m.heard.Load())}
	complaint := (*pgconn.PgError)(nil)
	switch {
	case errors.As(r.Err, &complaint):
		return fmt.Sprintf("the complaint %.80q", complaint.Message), moved, nil
	case r.Err != nil:
		return "", moved, r.Err
	case len(r.Rows) != 1 || string(r.Rows[0][0]) != k.words:
		return "other words than were said", moved, nil
	}
	return "", moved, nil
}
