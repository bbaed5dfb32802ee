package message

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"golang.org/x/net/http2/hpack"
)

const (
	// mostCopied bounds the body of a request that is sent twice, bytes: what a
	// larger one asks for is no call but a transfer, and is not copied.
	mostCopied = 1 << 20
	// copyPatience bounds the answer to a copy: whoever has not answered in a
	// minute is not working on it.
	copyPatience = time.Minute
)

// A copied request is what a caller has said, to be said again.
type copied struct {
	method, path, authority string
	header                  http.Header
	body                    []byte
	large                   bool
}

// add notes a frame and reports whether it was the last and all is known.
func (c *copied) add(f item) (whole bool) {
	switch f.kind {
	case frameHeaders:
		c.fields(f.fields)
	case frameData:
		c.write(unpadded(f.frame))
	}
	return f.ends() && !c.large
}

func (c *copied) fields(fields []hpack.HeaderField) {
	if c.header == nil {
		c.header = http.Header{}
	}
	for _, f := range fields {
		switch f.Name {
		case ":method":
			c.method = f.Value
		case ":path":
			c.path = f.Value
		case ":authority":
			c.authority = f.Value
		default:
			if !strings.HasPrefix(f.Name, ":") {
				c.header.Add(f.Name, f.Value)
			}
		}
	}
}

func (c *copied) write(b []byte) {
	if c.large = c.large || len(c.body)+len(b) > mostCopied; !c.large {
		c.body = append(c.body, b...)
	}
}

// unpadded is the content of a DATA frame.
func unpadded(f frame) []byte {
	if f.flags&flagPadded == 0 || len(f.payload) == 0 {
		return f.payload
	}
	padding, b := int(f.payload[0]), f.payload[1:]
	return b[:max(0, len(b)-padding)]
}

// repeat sends the copy on a connection of its own and calls done when the
// callee has answered. It returns at once.
func (c *streams) repeat(q *copied, done func()) {
	c.Go(func() { c.send(c.ctx, q, true, done) })
}

// send sends a copy and reads the answer to its end.
func (w Wire) send(ctx context.Context, q *copied, second bool, done func()) {
	ctx, cancel := context.WithTimeout(ctx, copyPatience)
	defer cancel()
	protocols := &http.Protocols{}
	protocols.SetUnencryptedHTTP2(second)
	protocols.SetHTTP1(!second)
	t := &http.Transport{
		Protocols: protocols, DisableCompression: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return w.Dial(ctx) },
	}
	defer t.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, q.method, "http://"+w.Callee.RemoteAddr().String()+q.path, bytes.NewReader(q.body))
	if err != nil {
		return
	}
	req.Host, req.Header = q.authority, q.header
	res, err := t.RoundTrip(req)
	if err != nil {
		return
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err == nil {
		done()
	}
}
