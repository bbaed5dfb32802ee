package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/supervise"
)

// nameServer is whom the containers' resolver, the daemon's own in each of their
// network namespaces, asks for the names of instances: the relay. Invalid: they
// are told addresses.
func (m *machine) nameServer() netip.Addr {
	at, _ := netip.ParseAddrPort(m.desc.NameServer) // ours: well-formed or empty
	return at.Addr()
}

// A resolvable system is one whose instances find one another by names.
type resolvable struct{ exhaustible }

var _ deploy.Namer = resolvable{}

// LookUp implements [deploy.Namer]: over UDP, by a process beside the caller's
// own, in its container.
func (s resolvable) LookUp(ctx context.Context, caller, callee string, n int, patience time.Duration) (all []deploy.Answer, err error) {
	fail := func(err error) ([]deploy.Answer, error) {
		return nil, fmt.Errorf("looking %s up for %s: %w", callee, caller, err)
	}
	if _, ok := s.machine.desc.Layout.Own[caller]; !ok {
		return fail(fmt.Errorf("unknown instance %q", caller))
	}
	said, err := s.machine.daemon.exec(ctx, s.machine.container(caller), "/bedlam", "look-up", callee, strconv.Itoa(n), patience.String())
	if err == nil {
		err = json.Unmarshal(said, &all)
	}
	if err == nil && len(all) != n {
		err = fmt.Errorf("%d answers to %d questions", len(all), n)
	}
	if err != nil {
		return fail(gone(err))
	}
	return all, nil
}

// system returns s with all the powers that there are over m's containers.
func (m *machine) system(s supervise.Ender) deploy.System {
	all := exhaustible{s, m.plane, m}
	if m.desc.NameServer != "" {
		return resolvable{all}
	}
	return all
}
