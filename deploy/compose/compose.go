// Package compose starts the shop the way most people start containers: with
// a compose file, without Bedlam.
//
//	text, err := compose.File(services.Shop())     // what compose.yaml holds
//	err = compose.Provision(ctx, services.Shop(), os.Getenv)
//
// [File] is a pure function of the topology; `make compose` writes what it
// returns to compose.yaml, and a test says when that is out of date. There is
// one compose service an instance, no relay between them, and nothing that
// starts the dead again but Docker. [Provision] is what the file's one-shot
// service does: a role and a schema for every service, before they start.
// [Bundled] is for machines that cannot fetch PostgreSQL's official image.
package compose

import (
	"fmt"

	"github.com/bedlamlab/bedlam/topology"
)

// The environment of [Provision], and what the file's own variables are called.
const (
	// StorePassword is the superuser's. Letters, digits and -._~ only: in
	// [Bundled]'s file it stands in JSON as it is.
	StorePassword = "BEDLAM_STORE_PASSWORD"
	// ShopPassword is that of every service's role and of the audit's. Letters,
	// digits and -._~ only: it stands in URLs.
	ShopPassword = "BEDLAM_SHOP_PASSWORD"
)

// port is where every service of the shop listens: each container has a
// network address of its own.
const port = 8080

// storePort is PostgreSQL's usual one.
const storePort = 5432

// firstPublished is the port of 127.0.0.1 at which the first web server is
// published; the others follow.
const firstPublished = 8080

const head = `# The shop in containers: one for each instance, without Bedlam's relay.
#
#   make compose-up      builds the image and starts the shop
#   make compose-down    removes its containers, networks and data
#
# or, without make, docker build and docker compose up; see the Dockerfile.
# Written by make compose from services/shop.go: change that. Variables:
#
#   BEDLAM_IMAGE            the image that make image builds
#   BEDLAM_POSTGRES_IMAGE   PostgreSQL 13 to 17, told what to do as the official image is
#   BEDLAM_STORE_PASSWORD   of the databases' superuser; letters, digits and -._~
#   BEDLAM_SHOP_PASSWORD    of the services' roles; letters, digits and -._~
#   BEDLAM_TELEMETRY        base URL of an OTLP/HTTP endpoint on the shop's network; empty: none
#   BEDLAM_GATEWAY_1, …     the ports of 127.0.0.1 at which the web servers are published
#
# The default passwords are for a demonstration on one machine: nothing but the
# web servers can be reached from outside the shop's own network.
`

// File returns the compose file that starts t.
func File(t topology.System) ([]byte, error) {
	if err := t.Validate(); err != nil {
		return nil, err
	}
	f := file{
		Services: map[string]container{provisioner: provision(t)},
		// Nobody on the shop's own network reaches the world, or is reached.
		Networks: map[string]network{inside: {Internal: true}, outside: {}},
		Volumes:  map[string]volume{},
	}
	published := firstPublished
	for _, in := range t.Instances() {
		v, _ := t.Service(in.Service)
		c, err := containerOf(t, v, in)
		if err != nil {
			return nil, fmt.Errorf("compose: %s: %w", in.Name, err)
		}
		switch {
		case v.Protocol == topology.Postgres:
			f.Volumes[in.Name] = volume{}
		case hasCustomers(t, v):
			c.Networks = append(c.Networks, outside)
			c.Ports = []string{fmt.Sprintf("127.0.0.1:${BEDLAM_%s:-%d}:%d", variable(in.Name), published, port)}
			published++
		}
		f.Services[in.Name] = c
	}
	return encode(head, f)
}

func hasCustomers(t topology.System, v topology.Service) bool {
	_, ok := t.Edge(topology.Loader, v.Name)
	return ok
}
