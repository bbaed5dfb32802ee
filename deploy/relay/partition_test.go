package relay_test

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
)

func TestPartition(t *testing.T) {
	for _, d := range []deploy.Direction{deploy.To, deploy.From, deploy.Both} {
		t.Run(string(d), func(t *testing.T) {
			heard := make(chan string, 10)
			r := between(t, serve(t, func(c *net.TCPConn) {
				b := make([]byte, 10)
				for {
					n, err := c.Read(b)
					if err != nil {
						return
					}
					heard <- string(b[:n])
					c.Write(b[:n])
				}
			}))
			c := r.dial()
			ask(t, c, "before")
			<-heard
			r.shape(rule("cut", "partition", d, ""))
			io.WriteString(c, "during")
			silent(t, c)
			if d == deploy.From {
				<-heard // the question has arrived, the answer has not
			} else if len(heard) != 0 {
				t.Error("bytes crossed the cut")
			}
			if e := r.evidence(ab, "cut"); e.Bytes != 6 || e.Connections != 1 {
				t.Errorf("evidence %+v", e)
			}
			r.unshape("cut")
			want(t, c, "during")
		})
	}
}

// A new connection hangs, the callee never hears of it, and when the cut is
// mended it goes on: unless its caller has given up meanwhile.
func TestPartitionOfASetUp(t *testing.T) {
	for _, d := range []deploy.Direction{deploy.To, deploy.From, deploy.Both} {
		t.Run(string(d), func(t *testing.T) {
			accepted := make(chan struct{}, 10)
			r := between(t, serve(t, func(c *net.TCPConn) { accepted <- struct{}{}; echo(c) }))
			r.shape(rule("cut", "partition", d, "{}"))
			patient, hasty, angry := r.dial(), r.dial(), r.dial()
			for _, c := range []net.Conn{patient, hasty, angry} {
				io.WriteString(c, "hello")
			}
			silent(t, patient)
			hasty.Close()
			angry.SetLinger(0)
			angry.Close()
			eventually(t, "who gave up is dropped", func() bool { return r.link(ab).Open == 1 })
			if len(accepted) != 0 {
				t.Error("the callee was dialled through the cut")
			}
			r.unshape("cut")
			want(t, patient, "hello")
			if <-accepted; len(accepted) != 0 {
				t.Error("a caller that had given up reached the callee")
			}
		})
	}
}

// A partition holds back the end and the reset too.
func TestPartitionWithholdsMarks(t *testing.T) {
	saw := make(chan error, 1)
	r := between(t, serve(t, func(c *net.TCPConn) {
		io.WriteString(c, "x")
		_, err := c.Read(make([]byte, 1))
		saw <- err
	}))
	for _, end := range []struct {
		name string
		say  func(*net.TCPConn)
		want error
	}{
		{"end", func(c *net.TCPConn) { c.CloseWrite() }, io.EOF},
		{"reset", func(c *net.TCPConn) { c.SetLinger(0); c.Close() }, syscall.ECONNRESET},
	} {
		t.Run(end.name, func(t *testing.T) {
			c := r.dial()
			want(t, c, "x")
			r.shape(rule("cut", "partition", "to", ""))
			end.say(c)
			eventually(t, "the mark is withheld", func() bool { return r.evidence(ab, "cut").Chunks == 1 })
			select {
			case err := <-saw:
				t.Fatalf("the callee saw %v through the cut", err)
			default:
			}
			r.unshape("cut")
			if err := <-saw; !errors.Is(err, end.want) {
				t.Errorf("the callee saw %v, want %v", err, end.want)
			}
		})
	}
}

// A cut link takes a bounded amount, then the sender blocks; mended, all of it
// arrives.
func TestPartitionHoldsTheSenderBack(t *testing.T) {
	var total int
	sum := make(chan int, 1)
	r := between(t, serve(t, func(c *net.TCPConn) {
		n, _ := io.Copy(io.Discard, c)
		sum <- int(n)
	}))
	c := r.dial()
	r.shape(rule("cut", "partition", "to", ""))
	eventually(t, "set up", func() bool { return r.link(ab).Open == 1 })
	c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
	block := make([]byte, 1<<20)
	for {
		n, err := c.Write(block)
		if total += n; err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal(err)
			}
			break
		}
		// The relay's 4 MiB and the kernel's buffers, of some MiB each; far
		// below a sender's wish.
		if total > 256<<20 {
			t.Fatal("the relay takes without end")
		}
	}
	if e := r.evidence(ab, "cut"); e.Bytes > 5<<20 {
		t.Errorf("the relay holds %d bytes, want about 4 MiB at most", e.Bytes)
	}
	r.unshape("cut")
	c.CloseWrite()
	if got := <-sum; got != total {
		t.Errorf("%d bytes arrived of %d", got, total)
	}
}

// A splice that is stuck in a callee that does not read cannot be called back,
// but the rule is in force behind it: what the callee reads ends early, and
// goes on when the rule goes.
func TestShapeBehindAStuckSplice(t *testing.T) {
	callees := make(chan *net.TCPConn, 1)
	r := between(t, serve(t, func(c *net.TCPConn) { callees <- c }))
	c := r.dial()
	io.WriteString(c, "x")
	callee := <-callees
	want(t, callee, "x")
	sent := 1
	for block := make([]byte, 1<<20); ; {
		c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond)) // without any progress
		n, err := c.Write(block)
		if sent += n; err != nil {
			break // every buffer on the way is full
		}
	}
	r.shape(rule("cut", "partition", "to", ""))
	read := 1
	b := make([]byte, 1<<20)
	for end := time.Now().Add(patience); ; {
		callee.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		n, err := callee.Read(b)
		read += n
		if err != nil && r.evidence(ab, "cut").Bytes > 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the cut has withheld nothing; %d bytes of %d were read", read, sent)
		}
	}
	r.unshape("cut")
	c.CloseWrite()
	callee.SetReadDeadline(time.Now().Add(patience))
	rest, err := io.Copy(io.Discard, callee)
	if err != nil || read+int(rest) != sent {
		t.Errorf("read %d and %d bytes of %d, %v", read, rest, sent, err)
	}
}
