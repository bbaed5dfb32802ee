package bedlam

import (
	"fmt"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/loadgen"
)

// crowded is a system with its customers: it has the one power that no engine
// has, to let more of them come.
type crowded struct {
	deploy.System
	load *loadgen.Generator // nil: they have not come yet
}

var _ loadgen.Surger = (*crowded)(nil)

// Unwrap lets the engine's own powers be found.
func (c *crowded) Unwrap() deploy.System { return c.System }

// Surge implements [loadgen.Surger].
func (c *crowded) Surge(s loadgen.Surge) error {
	if c.load == nil {
		return fmt.Errorf("surge %q: there are no customers yet", s.Name)
	}
	return c.load.Surge(s)
}

// Ebb implements [loadgen.Surger].
func (c *crowded) Ebb(name string) {
	if c.load != nil {
		c.load.Ebb(name)
	}
}

// Surged implements [loadgen.Surger].
func (c *crowded) Surged(name string) (loadgen.Surged, bool) {
	if c.load == nil {
		return loadgen.Surged{}, false
	}
	return c.load.Surged(name)
}
