package enginetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/bedlamlab/bedlam/topology"
)

// who is what an echo answers to GET /who.
type who struct {
	PID         int
	Assignment  topology.Assignment
	Environment []string
}

// get asks a front, over a connection of its own.
func get(ctx context.Context, address, path string, into any) error {
	t := &http.Transport{DisableKeepAlives: true}
	defer t.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return err
	}
	answer, err := (&http.Client{Transport: t}).Do(req)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", path, answer.Status)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(answer.Body).Decode(into)
}

// healthy asks a back, over a connection of its own.
func healthy(ctx context.Context, address string) error {
	c, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer c.Close()
	answer, err := healthpb.NewHealthClient(c).Check(ctx, &healthpb.HealthCheckRequest{})
	if err == nil && answer.Status != healthpb.HealthCheckResponse_SERVING {
		err = fmt.Errorf("health is %s", answer.Status)
	}
	return err
}

// A pending question has been asked while nobody can answer it.
type pending struct{ answer chan error }

func ask(question func() error) pending {
	p := pending{make(chan error, 1)}
	go func() { p.answer <- question() }()
	return p
}

// stillOpen calls meanwhile ten times, which is long enough for an answer to
// have come, and requires that none did.
func (p pending) stillOpen(t *testing.T, meanwhile func() error) {
	t.Helper()
	for range 10 {
		if err := meanwhile(); err != nil {
			t.Error(err)
		}
	}
	select {
	case err := <-p.answer:
		t.Errorf("there was an answer (%v) although nobody can have given it", err)
		p.answer <- nil
	default:
	}
}

// settles requires the answer.
func (p pending) settles(t *testing.T) {
	t.Helper()
	if err := <-p.answer; err != nil {
		t.Errorf("after the lift the waiting question failed: %v", err)
	}
}

// refused requires that nobody listens at address, and on this machine's
// loopback that its kernel says so at once.
func refused(t *testing.T, address string) {
	t.Helper()
	if a, err := netip.ParseAddrPort(address); err == nil && !a.Addr().IsLoopback() {
		if nearby(t, a.Addr()) {
			unanswered(t, address)
		}
		return // with its network gone, whoever answers there is somebody else
	}
	refusedAtOnce(t, address)
}

// refusedAtOnce requires that the kernel behind address, which is there, says
// that nobody listens.
func refusedAtOnce(t *testing.T, address string) {
	t.Helper()
	c, err := (&net.Dialer{Timeout: patience}).DialContext(t.Context(), "tcp", address)
	if err == nil {
		c.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dialling %s: got %v, want a refused connection", address, err)
	}
}

// nearby reports whether a stands in a network that this machine is in.
func nearby(t *testing.T, a netip.Addr) bool {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, own := range all {
		if p, err := netip.ParsePrefix(own.String()); err == nil && p.Contains(a) {
			return true
		}
	}
	return false
}

// unanswered requires that nobody takes a connection. An address that has gone
// from its network refuses nothing: what is sent there is lost. A second is a
// thousand times what an answer over a bridge of this machine takes.
func unanswered(t *testing.T, address string) {
	t.Helper()
	c, err := (&net.Dialer{Timeout: time.Second}).DialContext(t.Context(), "tcp", address)
	if err == nil {
		c.Close()
		t.Errorf("dialling %s: somebody is there", address)
	}
}
