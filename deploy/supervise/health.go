package supervise

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/postgres"
	"github.com/bedlamlab/bedlam/topology"
)

// askEvery is how often a starting instance is asked for its health. A Go
// service is up in some 10 ms; asking costs well under one.
const askEvery = 15 * time.Millisecond

// askTime bounds one question: hundreds of times what a healthy instance takes
// to answer, so that a busy machine does not make it look ill.
const askTime = time.Second

// guestTime bounds one question to a guest, which may start a program in a
// container for it: Docker gives such a program thirty seconds unless told
// otherwise, and a fault is lifted within twenty.
const guestTime = 5 * time.Second

// A checkup asks one instance for its health, past every relay.
type checkup struct {
	ask   func(context.Context) error // nil: it is ready for work
	close func()
	most  time.Duration // for one answer; 0: askTime
}

// once asks once.
func (c checkup) once(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(c.most, askTime))
	defer cancel()
	return c.ask(ctx)
}

// examine returns the checkup for a service that speaks p at address; dsn is
// for stores.
func examine(p topology.Protocol, address string, dsn string) (checkup, error) {
	switch p {
	case topology.HTTP:
		return examineHTTP(address), nil
	case topology.GRPC:
		return examineGRPC(address)
	case topology.Postgres:
		return examinePostgres(dsn), nil
	}
	return checkup{}, fmt.Errorf("no health check for protocol %q", p)
}

func examineHTTP(address string) checkup {
	// No connection is kept: an idle one would hang on a service that drains.
	t := &http.Transport{DisableKeepAlives: true}
	client := &http.Client{Transport: t}
	return checkup{close: t.CloseIdleConnections, ask: func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/readyz", nil)
		if err != nil {
			return err
		}
		answer, err := client.Do(req)
		if err != nil {
			return err
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("/readyz answers %s", answer.Status)
		}
		return nil
	}}
}

func examineGRPC(address string) (checkup, error) {
	// One delay of askEvery, never growing: whether to be patient is not the
	// connection's to decide.
	delay := backoff.Config{BaseDelay: askEvery, Multiplier: 1, MaxDelay: askEvery}
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: delay, MinConnectTimeout: askTime}))
	if err != nil {
		return checkup{}, fmt.Errorf("asking %s for its health: %w", address, err)
	}
	client := healthpb.NewHealthClient(conn)
	return checkup{close: func() { conn.Close() }, ask: func(ctx context.Context) error {
		answer, err := client.Check(ctx, &healthpb.HealthCheckRequest{})
		if err != nil {
			return err
		}
		if answer.Status != healthpb.HealthCheckResponse_SERVING {
			return fmt.Errorf("its health is %s", answer.Status)
		}
		return nil
	}}, nil
}

func examinePostgres(dsn string) checkup {
	return checkup{close: func() {}, ask: func(ctx context.Context) error {
		c, err := pgx.Connect(ctx, dsn)
		if err != nil {
			return err
		}
		defer c.Close(context.WithoutCancel(ctx))
		return c.Ping(ctx)
	}}
}

// storeDSN is how a store is asked for its health: as the audit's role, which
// may connect and little else.
func storeDSN(o postgres.Options) string { return postgres.DSN(o, deploy.AuditRole) }

// accepts reports whether somebody listens at address.
func accepts(ctx context.Context, address string) bool {
	d := net.Dialer{Timeout: askTime}
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	c.Close()
	return true
}
