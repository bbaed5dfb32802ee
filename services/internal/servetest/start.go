package servetest

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/bedlamlab/bedlam/topology"
)

// Address returns a free address on the loopback. It is free now; whoever
// wants it should take it soon.
func Address(t testing.TB) string {
	t.Helper()
	port, err := freePort()
	if err != nil {
		t.Fatalf("looking for a free port: %v", err)
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

// Start runs a gRPC service as the instance that a describes, until the test
// ends or stop is called, and returns its address once it says that it
// serves. Missing parts of a are filled in: an address, the name x-1 for a
// service x. A run that ends with an error fails the test. Stop waits until
// the service has drained, and may be called more than once.
func Start(t testing.TB, run func(context.Context, topology.Assignment) error, a topology.Assignment) (address string, stop func()) {
	t.Helper()
	if a.Listen == "" {
		a.Listen = Address(t)
	}
	if a.Instance.Name == "" {
		a.Instance.Name = a.Instance.Service + "-1"
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	var failure error
	go func() {
		defer close(ended)
		failure = run(ctx, a)
	}()
	stop = func() {
		cancel()
		<-ended
	}
	t.Cleanup(func() {
		stop()
		if failure != nil {
			t.Errorf("%s ended with: %v", a.Instance.Name, failure)
		}
	})
	if err := Serving(t, a.Listen, ended); err != nil {
		t.Fatal(err)
	}
	return a.Listen, stop
}

// Dial connects to an address, without waiting, until the test ends.
func Dial(t testing.TB, address string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithNoProxy(),
		// Soon: a test waits for it.
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.Config{
			BaseDelay: 10 * time.Millisecond, Multiplier: 1.5, MaxDelay: 100 * time.Millisecond,
		}, MinConnectTimeout: time.Second}))
	if err != nil {
		t.Fatalf("dialling %s: %v", address, err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// Serving returns when whoever listens on address says that it serves. It is
// an error that ended is closed before that, or a minute has passed.
func Serving(t testing.TB, address string, ended <-chan struct{}) error {
	t.Helper()
	limit, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	client := healthpb.NewHealthClient(Dial(t, address))
	for {
		ctx, done := context.WithTimeout(limit, time.Second)
		answer, err := client.Check(ctx, &healthpb.HealthCheckRequest{})
		done()
		if err == nil && answer.GetStatus() == healthpb.HealthCheckResponse_SERVING {
			return nil
		}
		select {
		case <-ended:
			return fmt.Errorf("who was to serve on %s ended before that", address)
		case <-limit.Done():
			return fmt.Errorf("nobody serves on %s within %s: %w", address, startLimit, err)
		case <-time.After(20 * time.Millisecond): // asked as a supervisor asks
		}
	}
}
