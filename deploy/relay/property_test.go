package relay_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bedlamlab/bedlam/deploy"
)

// pattern repeats after a prime number of bytes, so that a chunk out of place
// shows whatever its size.
var pattern = func() []byte {
	p := make([]byte, 1<<20+7) // 1048583 is prime
	r := rand.NewChaCha8([32]byte{1})
	r.Read(p)
	return p
}()

// pour writes a round of the pattern for each one that it is allowed, in pieces
// of changing size, then half-closes. It returns how much it has written.
func pour(c *net.TCPConn, allowed <-chan struct{}) (total int, err error) {
	size := 1
	for range allowed {
		for at := 0; at < len(pattern); size = size*7%99991 + 1 {
			n, err := c.Write(pattern[at:min(at+size, len(pattern))])
			if total, at = total+n, at+n; err != nil {
				return total, err
			}
		}
	}
	return total, c.CloseWrite()
}

// drink reads to the end and compares with the pattern; it pauses while gate
// is held.
func drink(c *net.TCPConn, gate *sync.RWMutex) (total int, err error) {
	b := make([]byte, 100_000)
	for {
		// Passing the gate is all: it is not held while reading, for there may
		// be nothing to read.
		gate.RLock()
		//lint:ignore SA2001 see above
		gate.RUnlock()
		n, err := c.Read(b)
		for got := b[:n]; len(got) > 0; {
			at := total % len(pattern)
			m := min(len(got), len(pattern)-at)
			if !bytes.Equal(got[:m], pattern[at:at+m]) {
				return total, fmt.Errorf("wrong bytes within the %d after byte %d", m, total)
			}
			total, got = total+m, got[m:]
		}
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// Whatever rules come and go, in whatever order, while bytes pour both ways
// and questions are asked and answered: no byte is lost, doubled or overtaken,
// and every end arrives.
func TestNoByteIsLost(t *testing.T) {
	callee := make(chan *net.TCPConn, 1)
	bulk := between(t, serve(t, func(c *net.TCPConn) { callee <- c }))
	chat := between(t, serve(t, echo))
	ctx := context.Background()
	var changes, carried int
	rapid.Check(t, func(t *rapid.T) {
		near := bulk.dial()
		defer near.Close()
		far := <-callee
		defer far.Close()
		far.SetDeadline(time.Now().Add(patience))

		var stop atomic.Bool
		// A round for each change and some ahead, so that there is always
		// something under way when the rules change.
		const ahead, most = 6, 12
		var allowed [2]chan struct{}
		var gate sync.RWMutex
		var ends sync.WaitGroup
		var poured, drunk [2]int
		var errs [5]error
		for i, pair := range [2][2]*net.TCPConn{{near, far}, {far, near}} {
			allowed[i] = make(chan struct{}, ahead+most)
			ends.Go(func() { poured[i], errs[i] = pour(pair[0], allowed[i]) })
			ends.Go(func() { drunk[i], errs[2+i] = drink(pair[1], &gate) })
		}
		ends.Go(func() { errs[4] = converse(chat.dial(), &stop) })

		allow := func(rounds int) {
			for range rounds {
				allowed[0] <- struct{}{}
				allowed[1] <- struct{}{}
			}
		}
		allow(ahead)
		for range rapid.IntRange(1, most).Draw(t, "changes") {
			allow(1)
			id := rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "id")
			r := rule(id, "latency", rapid.SampledFrom([]deploy.Direction{deploy.To, deploy.From, deploy.Both}).Draw(t, "direction"), "")
			switch rapid.SampledFrom([]string{"latency", "jitter", "partition", "bandwidth", "slow_close", "dial_latency", "slicer", "none", "none", "stall", "rest"}).Draw(t, "change") {
			case "latency":
				r.Args = []byte(`{"latency":"3ms"}`)
			case "jitter":
				r.Args = []byte(`{"latency":"1ms","jitter":"4ms","distribution":"pareto","correlation":"25"}`)
			case "partition":
				r.Kind = "partition"
			case "bandwidth": // a round takes a fiftieth of a second
				r.Kind, r.Args = "bandwidth", []byte(`{"rate":"50MB/s"}`)
			case "slow_close":
				r.Kind, r.Args = "slow_close", []byte(`{"delay":"5ms"}`)
			case "dial_latency": // which no live connection notices
				r.Kind, r.Direction, r.Args = "dial_latency", deploy.Both, []byte(`{"latency":"10m"}`)
			case "slicer":
				r.Kind, r.Args = "slicer", []byte(`{"average_size":2000,"size_variation":1999}`)
			case "none":
				r.Kind = ""
			case "stall":
				// Both readers stop reading: writes block, if they get that far
				// meanwhile. Like all here that is left to chance; what is
				// claimed must hold either way.
				gate.Lock()
				time.Sleep(time.Millisecond)
				gate.Unlock()
				continue
			case "rest":
				time.Sleep(2 * time.Millisecond) // some latencies end in it, some do not
				continue
			}
			for _, on := range []*rig{bulk, chat} {
				var err error
				if r.Kind == "" {
					err = on.Unshape(ctx, id)
				} else {
					err = on.Shape(ctx, r)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			changes++
		}
		for _, id := range []string{"1", "2", "3"} {
			bulk.Unshape(ctx, id)
			chat.Unshape(ctx, id)
		}
		stop.Store(true)
		close(allowed[0])
		close(allowed[1])
		ends.Wait()
		for _, err := range errs {
			if err != nil {
				t.Error(err)
			}
		}
		if poured != drunk {
			t.Errorf("poured %v bytes, drunk %v", poured, drunk)
		}
		carried += drunk[0] + drunk[1]
	})
	t.Logf("%d changes of rules, %d MB carried", changes, carried/1e6)
}

// converse asks questions of changing size and wants each back, one at a time.
func converse(c *net.TCPConn, stop *atomic.Bool) error {
	defer c.Close()
	got := make([]byte, 3001)
	for size := 1; !stop.Load(); size = size*5%3001 + 1 {
		if _, err := c.Write(pattern[size : 2*size]); err != nil {
			return fmt.Errorf("asking: %w", err)
		}
		if _, err := io.ReadFull(c, got[:size]); err != nil {
			return fmt.Errorf("hearing: %w", err)
		}
		if !bytes.Equal(got[:size], pattern[size:2*size]) {
			return fmt.Errorf("a question of %d bytes came back changed", size)
		}
	}
	c.CloseWrite()
	if n, err := c.Read(got); err != io.EOF {
		return fmt.Errorf("after the end: %d bytes, %v", n, err)
	}
	return nil
}
