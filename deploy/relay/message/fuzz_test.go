package message

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2/hpack"
)

// Whatever stands in a stream of frames, it is read or refused; what was read
// can be written and read again.
func FuzzFrames(f *testing.F) {
	f.Add(appendFrame(nil, frameHeaders, flagEndHeaders|flagPadded|flagPriority, 1, []byte("\x02\x00\x00\x00\x00\x05\x82\x84..")))
	f.Add(appendFrame(appendFrame(nil, frameHeaders, 0, 3, []byte{0x82}), frameContinuation, flagEndHeaders, 3, []byte{0x84}))
	f.Add(appendFrame(nil, frameSettings, 0, 0, []byte{0, 1, 0, 0, 0, 0, 0}))
	f.Add([]byte{0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		r := &frameReader{r: bufio.NewReader(bytes.NewReader(data))}
		for {
			got, err := r.next()
			if err != nil {
				return
			}
			tableSize(got.payload)
			unpadded(got)
			if got.kind == frameHeaders {
				got.flags |= flagEndHeaders
			}
			again := &frameReader{r: bufio.NewReader(bytes.NewReader(appendFrame(nil, got.kind, got.flags, got.stream, got.payload)))}
			back, err := again.next()
			if err != nil || back.kind != got.kind || back.stream != got.stream || !bytes.Equal(back.payload, got.payload) {
				t.Fatalf("%+v is read back as %+v, %v", got, back, err)
			}
		}
	})
}

// Whatever a route or a status says, it is refused or it means something, and
// reads the same when written again. A route names its own example.
func FuzzWords(f *testing.F) {
	for _, seed := range []string{"/a/*/c", "/bank.v1.Bank/*", "/", "/*", "503", "UNAVAILABLE", "GET", "/a**"} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, method, path string) {
		if r := (Route{Method: method, Path: path}); r.Validate() == nil {
			q := Request{Method: r.Method, Path: r.Example("word", "/")}
			if strings.Contains(q.Path, "*") || !r.Matches(q) {
				t.Errorf("%+v does not name %+v", r, q)
			}
		}
		if s, err := ParseStatus(path); err == nil {
			b, err := json.Marshal(s)
			var back Status
			if err != nil || json.Unmarshal(b, &back) != nil || back != s {
				t.Errorf("%q: %v is read back as %v, %v", path, s, back, err)
			}
		}
		if id := traceID(path); id != "" && len(id) != 32 {
			t.Errorf("%q has the trace id %q", path, id)
		}
		if e := percentEncoded(path); strings.ContainsFunc(e, func(c rune) bool { return c < ' ' || c > '~' }) {
			t.Errorf("%q is written %q", path, e)
		}
	})
}

// Whatever two parties say to each other, with every fate there is, nothing
// panics and the connection ends when they have.
func FuzzConnection(f *testing.F) {
	var block bytes.Buffer
	to := hpack.NewEncoder(&block)
	for _, h := range []hpack.HeaderField{{Name: ":method", Value: "POST"}, {Name: ":path", Value: "/a/b"}, {Name: ":scheme", Value: "http"}, {Name: "content-type", Value: "application/grpc"}} {
		to.WriteField(h)
	}
	asks := appendFrame(appendFrame([]byte(preface), frameSettings, 0, 0, nil), frameHeaders, flagEndHeaders, 1, block.Bytes())
	asks = appendFrame(asks, frameData, flagEndStream, 1, []byte("body"))
	answers := appendFrame(appendFrame(nil, frameSettings, 0, 0, []byte{0, 1, 0, 0, 0, 0}), frameHeaders, flagEndHeaders, 1, []byte{0x88})
	answers = appendFrame(appendFrame(answers, frameData, 0, 1, []byte("x")), frameGoAway, 0, 0, make([]byte, 8))
	for fate := range byte(8) {
		f.Add(asks, answers, fate)
	}
	f.Add([]byte("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx"), []byte("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\ny"), byte(0))
	f.Fuzz(func(t *testing.T, asks, answers []byte, fate byte) {
		caller, near := connected(t)
		far, callee := connected(t)
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		ended := make(chan struct{})
		w := Wire{Caller: near, Callee: far, Fate: func(Request) (f Fate) {
			switch fate % 8 {
			case 1:
				f.Abort = &Answer{}
			case 2:
				f.Delays = []Delay{{For: time.Microsecond, Until: ctx}}
			case 3:
				f.Lose = &Loss{}
			case 4:
				f.Lose = &Loss{Silent: true}
			case 5:
				f.Lose = &Loss{Instead: &Answer{}}
			case 6:
				f.Copied = func() {}
			case 7:
				f.Delays = []Delay{{For: time.Hour, Until: ctx}}
			}
			return f
		}, Dial: func(context.Context) (net.Conn, error) { return nil, net.ErrClosed }, Go: func(do func()) { do() }}
		go func() { w.Run(ctx); close(ended) }()
		go func() { caller.Write(asks); caller.CloseWrite() }()
		go func() { callee.Write(answers); callee.CloseWrite() }()
		go io.Copy(io.Discard, callee)
		io.Copy(io.Discard, caller)
		caller.Close()
		callee.Close()
		<-ended
		if ctx.Err() != nil {
			t.Error("it did not end with its parties")
		}
	})
}

// connected returns two ends of a connection.
func connected(t *testing.T) (a, b *net.TCPConn) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	d, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return c.(*net.TCPConn), d.(*net.TCPConn)
}
