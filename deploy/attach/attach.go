// Package attach is the file that names a system which somebody else runs in
// containers, so that it can be broken and judged where it stands.
//
//	f, err := attach.Read("system.yaml")
//
// A [File] is a topology and, beside its services and edges, what attaching
// needs:
//
//	containers: {label: dev.bedlam.instance, with: {com.docker.compose.project: shop}}
//	addresses:  {gateway-1: 127.0.0.1:8080, payment-1: payment-1:8080}
//	stores:     {postgres: postgres://audit:secret@postgres-1:5432/postgres}
//	telemetry:  172.30.0.1:4318
//
// It only says where things are: finding the containers, and asking them for
// their owner's consent, is for the engine (see deploy/docker).
package attach

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/topology"
)

// A File is a system that runs already.
type File struct {
	topology.System `yaml:",inline"`
	Containers      Containers `yaml:"containers,omitempty"`
	// Addresses are host:port, by instance: where customers come in, needed for
	// every instance that the loader calls; for others, where readiness is
	// asked. A host that is the instance's own name means the address that its
	// container has at that moment, which this machine reaches if the
	// container's network is a bridge of its own.
	Addresses map[string]string `yaml:"addresses"`
	// Stores are PostgreSQL URLs of the audit's role, by store. A host that is
	// the store's instance means what it means in Addresses. A store without
	// one is not audited.
	Stores map[string]string `yaml:"stores,omitempty"`
	// Telemetry is the host:port at which Bedlam listens for the OTLP/HTTP that
	// the containers send; empty: they send none.
	Telemetry string `yaml:"telemetry,omitempty"`

	Path string `yaml:"-"` // of the file
}

// Containers say how an instance's container is found.
type Containers struct {
	// Label is the key of the label whose value is the instance's name; empty:
	// [deploy.LabelInstance].
	Label string `yaml:"label,omitempty"`
	// With are labels that all of the system's containers bear, and others with
	// the same Label do not.
	With map[string]string `yaml:"with,omitempty"`
}

// Key returns the label whose value is an instance's name.
func (c Containers) Key() string { return cmp.Or(c.Label, deploy.LabelInstance) }

// Lacks says which data a run of this system cannot have, and why, by the
// names that a plan uses: audit, traces.
func (f File) Lacks() map[string]string {
	lacks := map[string]string{}
	if f.Telemetry == "" {
		lacks["traces"] = fmt.Sprintf("%s names no telemetry address", f.Path)
	}
	if len(f.Stores) == 0 {
		lacks["audit"] = fmt.Sprintf("%s names no store to read", f.Path)
	}
	return lacks
}

// Entries returns the instances that the loader calls.
func (f File) Entries() []topology.Instance {
	var all []topology.Instance
	for _, e := range f.Edges {
		if e.From == topology.Loader {
			all = append(all, f.InstancesOf(e.To)...)
		}
	}
	return all
}

// mostReplicas is about what one bridge network takes: 1023 ports of it.
const mostReplicas = 1000

// Validate reports the first thing that is wrong with the system, or with what
// is said of its containers.
func (f File) Validate() error {
	if err := f.System.Validate(); err != nil {
		return err
	}
	if f.Name == "" {
		return fmt.Errorf("the system has no name")
	}
	for _, v := range f.Services {
		if v.Replicas > mostReplicas {
			return fmt.Errorf("service %s has %d replicas, want at most %d", v.Name, v.Replicas, mostReplicas)
		}
	}
	for _, in := range slices.Sorted(maps.Keys(f.Addresses)) {
		if !slices.ContainsFunc(f.Instances(), func(i topology.Instance) bool { return i.Name == in }) {
			return fmt.Errorf("addresses: there is no instance %s", in)
		}
		if err := hostPort(f.Addresses[in]); err != nil {
			return fmt.Errorf("addresses: %s: %w", in, err)
		}
	}
	entries := f.Entries()
	if len(entries) == 0 {
		return fmt.Errorf("no edge leads from %s into the system: customers cannot come in", topology.Loader)
	}
	for _, in := range entries {
		switch host, _, _ := net.SplitHostPort(f.Addresses[in.Name]); host {
		case "":
			return fmt.Errorf("addresses: %s has none: it is where customers come in", in.Name)
		case in.Name:
			return fmt.Errorf("addresses: %s: its container's own address may change with each start, and customers come in there: publish its port", in.Name)
		}
	}
	for _, store := range slices.Sorted(maps.Keys(f.Stores)) {
		if v, ok := f.Service(store); !ok || v.Protocol != topology.Postgres {
			return fmt.Errorf("stores: %s is no store of the system", store)
		}
		// Not the error's own text: it has the password in it.
		if u, err := url.Parse(f.Stores[store]); err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" || u.Hostname() == "" {
			return fmt.Errorf("stores: %s: want a URL like postgres://audit:password@host:5432/database", store)
		}
	}
	if f.Telemetry != "" {
		if err := hostPort(f.Telemetry); err != nil {
			return fmt.Errorf("telemetry: %w", err)
		}
	}
	return nil
}

func hostPort(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" {
		return fmt.Errorf("%q is no host:port", address)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return fmt.Errorf("%q: the port must be between 1 and 65535", address)
	}
	return nil
}
