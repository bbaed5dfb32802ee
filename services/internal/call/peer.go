package call

import (
	"errors"
	"log/slog"
	"time"

	"github.com/sony/gobreaker/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"github.com/bedlamlab/bedlam/topology"
)

// peer is one instance of the callee: its connection and its breaker.
type peer struct {
	instance, address string
	conn              *grpc.ClientConn
	breaker           *gobreaker.TwoStepCircuitBreaker[any] // nil: none
}

const (
	// connectLimit bounds one attempt to connect; a silent peer must not hold
	// up the next attempt for gRPC's usual 20 s.
	connectLimit = time.Second
	// keepalivePeriod is the shortest that grpc-go allows a client. It finds
	// a peer that is gone without a word while no call is in flight; calls in
	// flight find it sooner, by their own timeouts.
	keepalivePeriod = 10 * time.Second
	// keepaliveAnswer is generous on a local network and short enough that a
	// dead connection is replaced before customers have given up on the shop.
	keepaliveAnswer = 2 * time.Second
	// bufferSize replaces gRPC's 32 kB for each direction of each of some
	// sixty connections: messages of the shop are a few kB at most.
	bufferSize = 8 << 10
)

// reconnect is at most one second, so that a restarted peer is in use again
// within about as long as its restart took.
var reconnect = backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second}

func newPeer(to topology.Peer, b *topology.Breaker, log *slog.Logger) (*peer, error) {
	conn, err := grpc.NewClient("passthrough:///"+to.Address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: reconnect, MinConnectTimeout: connectLimit}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time: keepalivePeriod, Timeout: keepaliveAnswer, PermitWithoutStream: true,
		}),
		grpc.WithIdleTimeout(0), // stay connected: a first call must not pay for the connection
		grpc.WithDisableRetry(), // retries are this package's
		grpc.WithDisableServiceConfig(),
		grpc.WithNoProxy(),
		grpc.WithUnaryInterceptor(sending),
		grpc.WithReadBufferSize(bufferSize),
		grpc.WithWriteBufferSize(bufferSize),
	)
	if err != nil {
		return nil, err
	}
	conn.Connect()
	p := &peer{instance: to.Instance, address: to.Address, conn: conn}
	if b != nil {
		p.breaker = newBreaker(to.Instance, *b, log)
	}
	return p, nil
}

// AllowKeepalive lets a server bear the keepalive of this package's callers,
// which gRPC's own policy takes for an attack: it would throw them out after
// three silent periods. Callers are allowed half a period, so that none is
// thrown out for asking a little early.
func AllowKeepalive() grpc.ServerOption {
	return grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: keepalivePeriod / 2, PermitWithoutStream: true})
}

// bucketsPerWindow makes the window roll in tenths: a fixed window would
// forget everything at once, and could miss an outage that lies across its end.
const bucketsPerWindow = 10

// errNotBlamed stands for an answer that says nothing about the instance.
var errNotBlamed = errors.New("the outcome says nothing about the instance")

func newBreaker(instance string, b topology.Breaker, log *slog.Logger) *gobreaker.TwoStepCircuitBreaker[any] {
	return gobreaker.NewTwoStepCircuitBreaker[any](gobreaker.Settings{
		Name:         instance,
		MaxRequests:  uint32(max(b.Probes, 1)),
		Interval:     b.Window.D(),
		BucketPeriod: b.Window.D() / bucketsPerWindow,
		Timeout:      b.Open.D(),
		ReadyToTrip: func(n gobreaker.Counts) bool {
			// Requests in flight have not ended either way yet.
			ended := n.TotalSuccesses + n.TotalFailures
			return int(ended) >= max(b.Requests, 1) && float64(n.TotalFailures) >= b.Ratio*float64(ended)
		},
		IsSuccessful: func(err error) bool { return !blames(status.Code(err)) },
		IsExcluded: func(err error) bool {
			return errors.Is(err, errNotBlamed) || status.Code(err) == codes.Canceled
		},
		OnStateChange: func(_ string, from, to gobreaker.State) {
			log.Warn("breaker changed", "from", from.String(), "to", to.String())
		},
	})
}
