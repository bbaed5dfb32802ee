package supervise

import (
	"fmt"

	"github.com/bedlamlab/bedlam/topology"
)

// Relay is the relay's name among the instances. No service may take it.
const Relay = "relay"

// A Layout says who listens where. It stays the same for the whole run,
// whatever is restarted.
type Layout struct {
	Own     map[string]string `json:"own"`     // an instance's own address; empty for a guest whose address nobody knows
	Links   map[string]string `json:"links"`   // the relay's listener for "from->to"
	Control string            `json:"control"` // the relay's control port, as this process reaches it; empty: there is no relay
}

// Address returns where caller reaches callee; with an empty caller, the
// callee's own address.
func (l Layout) Address(caller, callee string) (string, error) {
	own, ok := l.Own[callee]
	if !ok {
		return "", fmt.Errorf("unknown instance %q", callee)
	}
	if own == "" {
		return "", fmt.Errorf("nobody has said where %s can be reached", callee)
	}
	if caller == "" {
		return own, nil
	}
	link := topology.Link{From: caller, To: callee}
	a, ok := l.Links[link.String()]
	if !ok {
		return "", fmt.Errorf("there is no edge %s", link)
	}
	return a, nil
}
