package toxiproxy

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"math"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/relay"
	"github.com/bedlamlab/bedlam/topology"
)

// ownTTL is the life of a rule of a relay inside this process: neither outlives
// it, so that nobody has to renew the rule.
const ownTTL = topology.Duration(math.MaxInt64)

// An own is a proxy's own relay, with one link, inside this process. It is the
// system that its rules are put into.
type own struct {
	deploy.System // which has no relay of ours on this link
	*relay.Client
	listen string // host:port
	cancel context.CancelFunc
	ended  chan error
}

// open starts a relay. Listen may have port 0.
func open(ctx context.Context, s deploy.System, l topology.Link, protocol topology.Protocol, listen, upstream string) (*own, error) {
	token := rand.Text()
	config, err := json.Marshal(relay.Config{Control: "127.0.0.1:0", Token: token,
		Edges: []relay.Edge{{Link: l, Protocol: protocol, Listen: listen, Upstream: upstream}}})
	if err != nil {
		return nil, err
	}
	o := &own{System: s, ended: make(chan error, 1)}
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	o.cancel = cancel
	out, in := io.Pipe()
	go func() {
		err := relay.Main(life, bytes.NewReader(config), in)
		in.CloseWithError(io.EOF)
		o.ended <- err
	}()
	line, err := bufio.NewReader(out).ReadBytes('\n')
	var ready struct{ Control string }
	if err == nil {
		err = json.Unmarshal(line, &ready)
	}
	if err != nil {
		return nil, cmp.Or(o.close(), err) // the relay itself knows better
	}
	o.Client = relay.NewClient(ready.Control, token)
	stats, err := o.Stats(ctx)
	if err != nil {
		o.close()
		return nil, err
	}
	o.listen = stats[0].Listen
	return o, nil
}

// close ends the relay and resets its connections.
func (o *own) close() error {
	o.cancel()
	return <-o.ended
}
