package compose

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/bedlamlab/bedlam/deploy/postgres"
	"github.com/bedlamlab/bedlam/topology"
)

// Stand-ins for what compose fills in. The file's own variables are written
// with a dollar sign, which an assignment's text must not have by chance.
const (
	passwordHere      = "BEDLAM-SHOP-PASSWORD-HERE"
	storePasswordHere = "BEDLAM-STORE-PASSWORD-HERE"
	telemetryHere     = "BEDLAM-TELEMETRY-HERE"
)

// assignment returns what in is told at its start, with compose's variables in
// it. Whoever it calls, it calls directly, by the callee's own name.
func assignment(t topology.System, v topology.Service, in topology.Instance) (string, error) {
	a := topology.Assignment{
		System: t.Name, Instance: in, Listen: address("0.0.0.0", port),
		Peers: map[string][]topology.Peer{}, Policies: map[string]topology.Policy{},
		Settings: v.Settings, Telemetry: telemetryHere,
	}
	for _, e := range t.Edges {
		if e.From != v.Name {
			continue
		}
		a.Policies[e.To] = e.Policy
		for _, to := range t.InstancesOf(e.To) {
			if e.To == v.Store {
				o := storeOptions(t, e.To, "", passwordHere)
				a.Store, a.StoreInstance = postgres.DSN(o, v.Name), to.Name
				continue
			}
			a.Peers[e.To] = append(a.Peers[e.To], topology.Peer{Instance: to.Name, Address: address(to.Name, port)})
		}
	}
	text, err := lines(a)
	if err != nil {
		return "", err
	}
	return fill(text), nil
}

func address(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }

// lines writes a as JSON with one of its fields a line, for people to read.
func lines(a topology.Assignment) (string, error) {
	var all bytes.Buffer
	e := json.NewEncoder(&all)
	e.SetEscapeHTML(false)
	if err := e.Encode(a); err != nil {
		return "", err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(all.Bytes(), &fields); err != nil {
		return "", err
	}
	var each []string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		each = append(each, fmt.Sprintf("%q: %s", name, fields[name]))
	}
	return "{" + strings.Join(each, ",\n ") + "}", nil
}
