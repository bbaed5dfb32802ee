// Package relaytest runs a real relay inside a test: [Start] does, on free
// ports of the loopback, and ends it with the test.
package relaytest

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"slices"
	"sync"
	"testing"

	"github.com/bedlamlab/bedlam/deploy/relay"
	"github.com/bedlamlab/bedlam/topology"
)

// Token is what a relay of [Start] lets its controllers in by.
const Token = "a-token-of-the-tests"

// A Relay is one that runs within the test's own process. Its client programs it.
type Relay struct {
	*relay.Client
	Control string // host:port of its control plane
	Names   string // host:port of its name server, if it has one
	stop    func()
}

// Start runs a relay with c's edges, rules and names; the control plane and the token
// are Start's to choose. An edge without an address listens on any free
// port, and one without a protocol speaks gRPC. It ends with the test, or by
// [Relay.Stop]; one that does not begin, or ends with an error, fails the test.
func Start(t testing.TB, c relay.Config) *Relay {
	t.Helper()
	c.Control, c.Token = "127.0.0.1:0", Token
	c.Edges = slices.Clone(c.Edges)
	for i := range c.Edges {
		e := &c.Edges[i]
		e.Listen, e.Protocol = cmp.Or(e.Listen, "127.0.0.1:0"), cmp.Or(e.Protocol, topology.GRPC)
	}
	config, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := relay.Main(ctx, bytes.NewReader(config), in)
		in.CloseWithError(io.EOF)
		ended <- err
	}()
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		cancel()
		t.Fatalf("the relay did not start: %v", <-ended)
	}
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("relay.Main: %v", err)
		}
	})
	t.Cleanup(stop)
	var ready struct{ Control, Names string }
	if err := json.Unmarshal(line, &ready); err != nil {
		t.Fatalf("ready line %q: %v", line, err)
	}
	return &Relay{Client: relay.NewClient(ready.Control, Token), Control: ready.Control, Names: ready.Names, stop: stop}
}

// Stop ends the relay and returns when it has ended. One that has ended already
// is left at that.
func (r *Relay) Stop() { r.stop() }
