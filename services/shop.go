// Package services says who is in the shop and who calls whom. Each service
// stands in a folder of its own below; none of them knows that it is being
// tested.
package services

import (
	"time"

	"github.com/bedlamlab/bedlam/topology"
)

const ms = topology.Duration(time.Millisecond)
const second = topology.Duration(time.Second)

// retry is the shop's usual patience: a first back-off long enough for a
// refused dial to have moved to the other replica (one round trip on a local
// network is well under 20 ms), jittered in full so that callers do not march
// in step, under the 20 % budget that Finagle made the usual one.
func retry(attempts int) *topology.Retry {
	return &topology.Retry{Attempts: attempts, Base: 20 * ms, Max: 200 * ms, Jitter: 1, Budget: 0.2}
}

// breaker opens when half of at least ten requests of the last two seconds
// failed, and asks again after one second, so that a restarted callee (about
// one second of the supervisor's back-off) is back in use within two.
func breaker() *topology.Breaker {
	return &topology.Breaker{Window: 2 * second, Requests: 10, Ratio: 0.5, Open: 1 * second, Probes: 2}
}

const mib = 1 << 20

// limits are many times what an instance takes of memory under the default load
// (a service some 30 MiB, a server with all of its connections some 200), so
// that only what is done to it makes it run out; and more of the CPU than
// a small machine has to give to one.
var (
	small = topology.Limits{Memory: 256 * mib, CPUs: 2}
	large = topology.Limits{Memory: 1024 * mib, CPUs: 4}
)

// Shop returns the shop's topology. The value is the caller's to change.
func Shop() topology.System {
	grpc := func(from, to string, timeout topology.Duration, attempts, bulkhead int) topology.Edge {
		p := topology.Policy{Timeout: timeout, Breaker: breaker(), Bulkhead: bulkhead}
		if attempts > 1 {
			p.Retry = retry(attempts)
		}
		return topology.Edge{From: from, To: to, Protocol: topology.GRPC, Policy: p}
	}
	sql := func(from, to string) topology.Edge {
		return topology.Edge{From: from, To: to, Protocol: topology.Postgres, Policy: topology.Policy{Timeout: 1 * second}}
	}
	recommend := grpc("gateway", "recommend", 150*ms, 1, 32)
	recommend.Optional = true
	recommend.Policy.Fallback = "best-sellers of the catalogue, then a static list; declared in X-Degraded"

	// A checkout replica that nobody hears from costs an attempt its 2.2 s, which
	// leave no room for another, and there are too few orders for a breaker to
	// tell. So the other replica is asked after 600 ms as well: some ten times
	// what a checkout takes, and early enough for the second to wait out one
	// slow capture. The key makes both the same saga, which the second to come
	// only waits for.
	checkout := grpc("gateway", "checkout", 2200*ms, 2, 64)
	checkout.Policy.Hedge = 600 * ms

	return topology.System{
		Name:  "shop",
		Zones: []string{"a", "b"},
		Services: []topology.Service{
			{Name: "gateway", Tier: "web", Replicas: 2, Limits: small, Protocol: topology.HTTP},
			{Name: "catalog", Tier: "services", Replicas: 2, Limits: small, Protocol: topology.GRPC, Store: "postgres",
				Settings: map[string]string{"products": "1000", "seed": "1"}},
			{Name: "recommend", Tier: "services", Replicas: 2, Limits: small, Protocol: topology.GRPC},
			{Name: "cart", Tier: "services", Replicas: 2, Limits: small, Protocol: topology.GRPC, Store: "postgres"},
			{Name: "inventory", Tier: "services", Replicas: 2, Limits: small, Protocol: topology.GRPC, Store: "postgres",
				Settings: map[string]string{"products": "1000", "seed": "1", "reservation_ttl": "20s"}},
			{Name: "payment", Tier: "services", Replicas: 2, Limits: small, Protocol: topology.GRPC, Store: "postgres"},
			{Name: "bank", Tier: "third-party", Replicas: 1, Limits: small, Protocol: topology.GRPC, Store: "bankdb",
				Settings: map[string]string{"concurrency": "32", "service_time": "5ms"}},
			{Name: "checkout", Tier: "services", Replicas: 2, Limits: small, Protocol: topology.GRPC, Store: "postgres"},
			{Name: "orders", Tier: "services", Replicas: 2, Limits: small, Protocol: topology.GRPC, Store: "postgres"},
			{Name: "shipping", Tier: "async", Replicas: 2, Limits: small, Protocol: topology.GRPC, Store: "postgres"},
			{Name: "postgres", Tier: "store", Replicas: 1, Limits: large, Protocol: topology.Postgres},
			{Name: "bankdb", Tier: "store", Replicas: 1, Limits: large, Protocol: topology.Postgres},
		},
		Edges: []topology.Edge{
			// A customer whose connection is refused tries the other gateway; a
			// request that was sent is never sent again.
			{From: topology.Loader, To: "gateway", Protocol: topology.HTTP, Policy: topology.Policy{Timeout: 3 * second,
				Retry: &topology.Retry{Attempts: 2}}},
			grpc("gateway", "catalog", 300*ms, 3, 64),
			recommend,
			grpc("gateway", "cart", 400*ms, 3, 64),
			checkout,
			grpc("gateway", "orders", 400*ms, 3, 64),
			grpc("recommend", "catalog", 300*ms, 2, 32),
			grpc("checkout", "cart", 300*ms, 2, 32),
			grpc("checkout", "catalog", 300*ms, 2, 32),
			grpc("checkout", "inventory", 400*ms, 3, 32),
			grpc("checkout", "payment", 1000*ms, 2, 32),
			grpc("checkout", "orders", 400*ms, 3, 32),
			grpc("payment", "bank", 800*ms, 2, 32),
			grpc("orders", "shipping", 500*ms, 1, 8),
			sql("catalog", "postgres"), sql("cart", "postgres"), sql("inventory", "postgres"),
			sql("payment", "postgres"), sql("checkout", "postgres"), sql("orders", "postgres"),
			sql("shipping", "postgres"), sql("bank", "bankdb"),
		},
	}
}
