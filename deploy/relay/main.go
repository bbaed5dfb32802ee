package relay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/bedlamlab/bedlam/deploy/relay/clock"
)

// Main runs a relay until ctx is done. It reads one JSON [Config] from config,
// and when every listener listens it writes one line of JSON to ready, such as
//
//	{"control":"127.0.0.1:41234"}
//
// and, with names, where their server listens.
// A configuration that cannot be had in full is an error, and then nothing is
// left listening. When ctx is done it resets its connections and returns nil.
func Main(ctx context.Context, config io.Reader, ready io.Writer) error {
	c, err := decodeConfig(config)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ticks, err := clock.New()
	if err != nil {
		return err
	}
	defer ticks.Close()
	n := newNetwork(ctx, c.Edges, c.Names, ticks)
	defer n.close()
	defer cancel()              // before close: what is accepted from here on is reset
	for _, r := range c.Rules { // before the rest listens: no connection slips past
		if err := n.shape(r); err != nil {
			return fmt.Errorf("relay's configuration: %w", err)
		}
	}
	if err := n.open(); err != nil {
		return err
	}
	failed := make(chan error, 2) // by the name server and by the control port
	said := map[string]string{}
	if c.Names != nil {
		if said["names"], err = n.answerNames(ctx, *c.Names, failed); err != nil {
			return err
		}
	}
	ln, err := net.Listen("tcp", c.Control)
	if err != nil {
		return fmt.Errorf("listening on the control port: %w", err)
	}
	s := &http.Server{
		Handler: newControl(n, c.Token),
		// Whoever is slower than this is not our controller, which sits on
		// the same machine.
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      10 * time.Second,
		MaxHeaderBytes:    16 << 10,
	}
	defer s.Close()
	go func() {
		if err := s.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("serving the control port: %w", err)
		}
	}()
	said["control"] = ln.Addr().String()
	if err := json.NewEncoder(ready).Encode(said); err != nil {
		return fmt.Errorf("saying that the relay is ready: %w", err)
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}
