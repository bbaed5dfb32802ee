package process

import (
	"fmt"

	"github.com/bedlamlab/bedlam/topology"
)

// relayName is the relay's name among the instances. No service may take it.
const relayName = "relay"

// A layout says who listens where. It stays the same for the whole run,
// whatever is restarted.
type layout struct {
	Own     map[string]string `json:"own"`     // an instance's own address
	Links   map[string]string `json:"links"`   // the relay's listener for "from->to"
	Control string            `json:"control"` // the relay's control port
}

// ports returns how many ports a system needs: one an instance, one a link,
// and the relay's control.
func ports(t topology.System) int { return len(t.Instances()) + len(t.Links()) + 1 }

func lay(t topology.System, ports []int) layout {
	next := func() string {
		a := loopback(ports[0])
		ports = ports[1:]
		return a
	}
	l := layout{Own: map[string]string{}, Links: map[string]string{}, Control: next()}
	for _, in := range t.Instances() {
		l.Own[in.Name] = next()
	}
	for _, link := range t.Links() {
		l.Links[link.String()] = next()
	}
	return l
}

// address returns where caller reaches callee; with an empty caller, the
// callee's own address.
func (l layout) address(caller, callee string) (string, error) {
	own, ok := l.Own[callee]
	if !ok {
		return "", fmt.Errorf("unknown instance %q", callee)
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
