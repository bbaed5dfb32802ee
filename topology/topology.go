// Package topology holds the nouns of any system under test: its services and
// their replicas, the zones they stand in, the edges between them and the
// policy of each edge. It is a leaf: it does nothing and imports nothing of
// this module, so that every floor of the house can speak of the same system.
//
// Start with [System]; [System.Instances] and [System.Links] spell out what a
// run is made of, and [Assignment] is what one instance is told at its start.
package topology

import (
	"fmt"
	"slices"
)

// Loader is the caller's name of the load generator on its edges. It is not a
// service of any system; an edge from it is where customers come in.
const Loader = "loader"

// A Protocol is what an edge speaks.
type Protocol string

// The protocols that an edge may speak.
const (
	HTTP     Protocol = "http"     // HTTP/1.1, JSON and HTML
	GRPC     Protocol = "grpc"     // gRPC over cleartext HTTP/2
	Postgres Protocol = "postgres" // PostgreSQL's wire protocol, without TLS
)

// A System is a system under test, on paper.
type System struct {
	Name     string    `json:"name" yaml:"name"`
	Zones    []string  `json:"zones" yaml:"zones"` // replicas are spread over them in order
	Services []Service `json:"services" yaml:"services"`
	Edges    []Edge    `json:"edges" yaml:"edges"`
}

// A Service is one deployable part and how many replicas of it run.
type Service struct {
	Name     string   `json:"name" yaml:"name"`
	Tier     string   `json:"tier" yaml:"tier"`         // web, services, async, third-party or store
	Replicas int      `json:"replicas" yaml:"replicas"` // at least 1
	Protocol Protocol `json:"protocol" yaml:"protocol"` // what it serves
	// Store names the Postgres service that holds this service's schema; the
	// schema and the role that owns it carry the service's own name. Empty:
	// the service keeps nothing.
	Store string `json:"store,omitempty" yaml:"store,omitempty"`
	// Settings are passed to every replica as they are.
	Settings map[string]string `json:"settings,omitempty" yaml:"settings,omitempty"`
	// Limits bound each replica, where an engine can.
	Limits Limits            `json:"limits,omitzero" yaml:"limits,omitempty"`
	Labels map[string]string `json:"labels,omitempty" yaml:"labels,omitempty"`
}

// Limits are what a replica may take of its machine; 0 leaves it to the engine.
type Limits struct {
	Memory int64   `json:"memory,omitempty" yaml:"memory,omitempty"` // bytes, with what it writes to /tmp; there is no swap
	CPUs   float64 `json:"cpus,omitempty" yaml:"cpus,omitempty"`     // cores, which may be fractions
}

// An Edge says that one service calls another, how, and with which policy.
type Edge struct {
	From     string   `json:"from" yaml:"from"` // a service, or [Loader]
	To       string   `json:"to" yaml:"to"`
	Protocol Protocol `json:"protocol" yaml:"protocol"`
	// Optional edges may fail without failing the caller's answer.
	Optional bool   `json:"optional,omitempty" yaml:"optional,omitempty"`
	Policy   Policy `json:"policy" yaml:"policy"`
}

// Name returns the edge's name, "from->to".
func (e Edge) Name() string { return e.From + "->" + e.To }

// A Policy says how a caller treats a callee. The zero value of a field
// switches its mechanism off.
type Policy struct {
	// Timeout bounds one attempt. 0: only the caller's own deadline does.
	Timeout  Duration `json:"timeout,omitempty" yaml:"timeout,omitempty"`
	Retry    *Retry   `json:"retry,omitempty" yaml:"retry,omitempty"`
	Breaker  *Breaker `json:"breaker,omitempty" yaml:"breaker,omitempty"`
	Bulkhead int      `json:"bulkhead,omitempty" yaml:"bulkhead,omitempty"` // calls in flight per caller instance; 0: no limit
	Hedge    Duration `json:"hedge,omitempty" yaml:"hedge,omitempty"`       // a second attempt after this long; 0: none
	Fallback string   `json:"fallback,omitempty" yaml:"fallback,omitempty"` // in words, what the caller answers without the callee
}

// A Retry says how often and how patiently a failed attempt is repeated.
type Retry struct {
	Attempts int      `json:"attempts" yaml:"attempts"` // in all, the first included; at least 2
	Base     Duration `json:"base" yaml:"base"`         // back-off before the second attempt, doubled for each further one
	Max      Duration `json:"max" yaml:"max"`           // no back-off is longer
	Jitter   float64  `json:"jitter" yaml:"jitter"`     // share of the back-off that is drawn at random, 0 to 1
	// Budget is the share of calls in flight that may be retries, 0 to 1;
	// 0 leaves retries unbounded but for Attempts.
	Budget float64 `json:"budget,omitempty" yaml:"budget,omitempty"`
}

// A Breaker opens after failures and tries again after a while. There is one
// per caller instance and callee instance.
type Breaker struct {
	Window   Duration `json:"window" yaml:"window"`     // rolling window in which failures are counted
	Requests int      `json:"requests" yaml:"requests"` // it never opens on fewer requests than these in the window
	Ratio    float64  `json:"ratio" yaml:"ratio"`       // opens at this share of failures, 0 to 1
	Open     Duration `json:"open" yaml:"open"`         // stays open this long, then half-open
	Probes   int      `json:"probes" yaml:"probes"`     // requests let through while half-open; all must succeed to close
}

// An Instance is one replica.
type Instance struct {
	Name    string `json:"name"` // service-N, N from 1
	Service string `json:"service"`
	Replica int    `json:"replica"` // from 1
	Zone    string `json:"zone"`
}

// A Link joins one caller instance to one callee instance. The loader's own
// instance is called loader-1.
type Link struct {
	From string `json:"from"` // an instance
	To   string `json:"to"`
}

// String returns "from->to".
func (l Link) String() string { return l.From + "->" + l.To }

// An Assignment is everything one instance is told at its start.
type Assignment struct {
	System   string   `json:"system"`
	Instance Instance `json:"instance"`
	Listen   string   `json:"listen"` // host:port to serve on
	// Peers names, for each service that this instance may call, every
	// instance of it and the address at which this caller reaches it.
	Peers map[string][]Peer `json:"peers,omitempty"`
	// Store is the PostgreSQL URL of this instance's own role and schema.
	Store string `json:"store,omitempty"`
	// StoreInstance names the instance behind Store, for spans.
	StoreInstance string            `json:"store_instance,omitempty"`
	Policies      map[string]Policy `json:"policies,omitempty"` // by callee service
	Settings      map[string]string `json:"settings,omitempty"`
	// Telemetry is the base URL of an OTLP/HTTP endpoint; empty switches
	// telemetry off.
	Telemetry string `json:"telemetry,omitempty"`
}

// A Peer is one instance of a callee as one caller sees it.
type Peer struct {
	Instance string `json:"instance"`
	Address  string `json:"address"` // host:port
}

// Service returns the service of that name.
func (s System) Service(name string) (Service, bool) {
	i := slices.IndexFunc(s.Services, func(v Service) bool { return v.Name == name })
	if i < 0 {
		return Service{}, false
	}
	return s.Services[i], true
}

// Edge returns the edge between two services.
func (s System) Edge(from, to string) (Edge, bool) {
	i := slices.IndexFunc(s.Edges, func(e Edge) bool { return e.From == from && e.To == to })
	if i < 0 {
		return Edge{}, false
	}
	return s.Edges[i], true
}

// Instances returns every replica of every service, in the order of Services.
func (s System) Instances() []Instance {
	var all []Instance
	for _, v := range s.Services {
		for n := 1; n <= v.Replicas; n++ {
			in := Instance{Name: fmt.Sprintf("%s-%d", v.Name, n), Service: v.Name, Replica: n}
			if len(s.Zones) > 0 {
				in.Zone = s.Zones[(n-1)%len(s.Zones)]
			}
			all = append(all, in)
		}
	}
	return all
}

// InstancesOf returns the replicas of one service; the loader has one,
// loader-1, which stands in no zone.
func (s System) InstancesOf(service string) []Instance {
	if service == Loader {
		return []Instance{{Name: Loader + "-1", Service: Loader, Replica: 1}}
	}
	return slices.DeleteFunc(s.Instances(), func(in Instance) bool { return in.Service != service })
}

// LinksOf spells an edge out: every caller instance with every callee instance.
func (s System) LinksOf(e Edge) []Link {
	var all []Link
	for _, from := range s.InstancesOf(e.From) {
		for _, to := range s.InstancesOf(e.To) {
			all = append(all, Link{From: from.Name, To: to.Name})
		}
	}
	return all
}

// Links spells every edge out, in the order of Edges.
func (s System) Links() []Link {
	var all []Link
	for _, e := range s.Edges {
		all = append(all, s.LinksOf(e)...)
	}
	return all
}

// Validate reports the first thing that is wrong: a name given twice, an edge
// that leads to nothing, a service without replicas, an unknown protocol.
func (s System) Validate() error {
	seen := map[string]bool{Loader: true}
	for _, v := range s.Services {
		switch {
		case v.Name == "":
			return fmt.Errorf("topology %s: a service has no name", s.Name)
		case seen[v.Name]:
			return fmt.Errorf("topology %s: service %s stands twice (or takes the loader's name)", s.Name, v.Name)
		case v.Replicas < 1:
			return fmt.Errorf("topology %s: service %s has %d replicas, want at least 1", s.Name, v.Name, v.Replicas)
		case v.Limits.Memory < 0 || v.Limits.CPUs < 0:
			return fmt.Errorf("topology %s: service %s has limits of %d bytes and %g CPUs, want 0 or more", s.Name, v.Name, v.Limits.Memory, v.Limits.CPUs)
		}
		if err := v.Protocol.validate(); err != nil {
			return fmt.Errorf("topology %s: service %s: %w", s.Name, v.Name, err)
		}
		seen[v.Name] = true
	}
	edges := map[string]bool{}
	for _, e := range s.Edges {
		if !seen[e.From] || !seen[e.To] {
			return fmt.Errorf("topology %s: edge %s names an unknown service", s.Name, e.Name())
		}
		if edges[e.Name()] {
			return fmt.Errorf("topology %s: edge %s stands twice", s.Name, e.Name())
		}
		if err := e.Protocol.validate(); err != nil {
			return fmt.Errorf("topology %s: edge %s: %w", s.Name, e.Name(), err)
		}
		edges[e.Name()] = true
	}
	for _, v := range s.Services {
		if v.Store != "" && !edges[v.Name+"->"+v.Store] {
			return fmt.Errorf("topology %s: service %s keeps its data in %s, but there is no edge between them", s.Name, v.Name, v.Store)
		}
	}
	return nil
}

func (p Protocol) validate() error {
	switch p {
	case HTTP, GRPC, Postgres:
		return nil
	}
	return fmt.Errorf("unknown protocol %q (want http, grpc or postgres)", string(p))
}
