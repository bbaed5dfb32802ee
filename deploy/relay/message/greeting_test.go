package message

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"testing"

	"golang.org/x/net/http2/hpack"
)

// TestOurAnswerComesAfterTheCalleesSettings refuses the first request of a
// connection whose callee takes its time to say anything: callers take an
// answer before the callee's settings for nonsense, and hang up.
func TestOurAnswerComesAfterTheCalleesSettings(t *testing.T) {
	caller, near := connected(t)
	far, callee := connected(t)
	refused := make(chan struct{})
	w := Wire{Caller: near, Callee: far, GRPC: true, Fate: func(Request) Fate {
		defer close(refused)
		return Fate{Abort: &Answer{}}
	}, Dial: func(context.Context) (net.Conn, error) { return nil, net.ErrClosed }, Go: func(do func()) { do() }}
	ended := make(chan struct{})
	go func() { w.Run(t.Context()); close(ended) }()

	var block bytes.Buffer
	to := hpack.NewEncoder(&block)
	for _, h := range []hpack.HeaderField{{Name: ":method", Value: "POST"}, {Name: ":path", Value: "/a/b"}, {Name: ":scheme", Value: "http"}, {Name: "content-type", Value: "application/grpc"}} {
		to.WriteField(h)
	}
	asks := appendFrame(appendFrame([]byte(preface), frameSettings, 0, 0, nil), frameHeaders, flagEndHeaders|flagEndStream, 1, block.Bytes())
	if _, err := caller.Write(asks); err != nil {
		t.Fatal(err)
	}
	<-refused // our answer is decided, and the callee has said nothing
	if _, err := callee.Write(appendFrame(nil, frameSettings, 0, 0, nil)); err != nil {
		t.Fatal(err)
	}
	frames := &frameReader{r: bufio.NewReader(caller)}
	for i, want := range []byte{frameSettings, frameHeaders} {
		f, err := frames.next()
		if err != nil {
			t.Fatal(err)
		}
		if f.kind != want {
			t.Errorf("frame %d is of kind %#x, want %#x", i+1, f.kind, want)
		}
	}
	caller.Close()
	callee.Close()
	<-ended
}
