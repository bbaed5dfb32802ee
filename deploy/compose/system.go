package compose

import (
	"fmt"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/attach"
	"github.com/bedlamlab/bedlam/deploy/postgres"
	"github.com/bedlamlab/bedlam/topology"
)

const systemHead = `# The shop of compose.yaml as Bedlam attaches to it:
#
#   make compose-up
#   bin/bedlam run --system deploy/compose/system.yaml catalog-replica-paused
#
# Written by make compose. It is an example for a file of your own: besides what
# Bedlam is to know of the system (services, edges, how patient each is) it says
#
#   containers   how an instance's container is found: the label whose value is
#                its name, and under "with" labels that all of them bear. Those
#                without dev.bedlam.chaos=yes are never broken, whatever stands here
#   addresses    where customers come in, and where others are asked whether
#                they are ready. A host that is the instance's own name is its
#                container's address at that moment. Without one, the container's
#                own health check is asked
#   stores       how the audit reads the data; without it, checks of the data are
#                INCONCLUSIVE
#   telemetry    host:port at which Bedlam listens for the OTLP/HTTP that the
#                containers send; without it, checks of traces are INCONCLUSIVE.
#                For the shop of compose.yaml: the gateway of its network, and
#                BEDLAM_TELEMETRY=http://that:4318 when it is started:
#                docker network inspect -f '{{(index .IPAM.Config 0).Gateway}}' bedlam-shop_shop
#
`

// System returns the file by which Bedlam attaches to what [File]'s starts, as
// it is when none of its variables is set.
func System(t topology.System) ([]byte, error) {
	f := attach.File{System: t, Containers: attach.Containers{Label: deploy.LabelInstance}, Addresses: map[string]string{}, Stores: map[string]string{}}
	for i, in := range f.Entries() {
		f.Addresses[in.Name] = address("127.0.0.1", firstPublished+i)
	}
	for _, in := range t.Instances() {
		v, _ := t.Service(in.Service)
		if v.Protocol == topology.Postgres {
			dsn := postgres.DSN(storeOptions(t, v.Name, defaults[StorePassword], defaults[ShopPassword]), deploy.AuditRole)
			f.Stores[v.Name] = dsn
		} else if _, published := f.Addresses[in.Name]; !published {
			f.Addresses[in.Name] = address(in.Name, port)
		}
	}
	if err := f.Validate(); err != nil {
		return nil, fmt.Errorf("compose: %w", err)
	}
	return encode(systemHead, f)
}
