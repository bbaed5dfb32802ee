package supervise

import (
	"context"

	"github.com/bedlamlab/bedlam/topology"
)

// Healthy asks the service at address, which speaks p, once whether it wants
// requests, in a second at most. A store is asked by dsn; others have none.
func Healthy(ctx context.Context, p topology.Protocol, address, dsn string) error {
	c, err := examine(p, address, dsn)
	if err != nil {
		return err
	}
	defer c.close()
	return c.once(ctx)
}
