package process

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/cell"
	"github.com/bedlamlab/bedlam/deploy/names"
)

// resolver is what isolated instances find at /etc/resolv.conf.
func (m machine) resolver() string { return filepath.Join(m.Scratch, "resolv.conf") }

// writeResolver writes it, if there is a name server.
func (m machine) writeResolver() error {
	if m.desc.NameServer == "" {
		return nil
	}
	at, err := netip.ParseAddrPort(m.desc.NameServer)
	if err != nil {
		return err
	}
	return os.WriteFile(m.resolver(), []byte(names.Config(at.Addr())), 0o644)
}

// nameless says why instances are told addresses, and what would give them names.
func (m machine) nameless() string {
	const remedy = "its instances share this machine's resolver and are told addresses: --isolation full, as root on Linux, gives them names where a fault of the run needs them"
	if !m.desc.Cells {
		return remedy
	}
	if err := cell.CanResolve(); err != nil {
		return err.Error()
	}
	return "its instances were told addresses when they were started: a run has names if one of its faults needs them"
}

// A named system is one whose instances find one another by names.
type named struct{ exhaustible }

var _ deploy.Namer = named{}

// LookUp implements [deploy.Namer]: over UDP, from the caller's network namespace.
func (s named) LookUp(ctx context.Context, caller, callee string, n int, patience time.Duration) ([]deploy.Answer, error) {
	fail := func(err error) ([]deploy.Answer, error) {
		return nil, fmt.Errorf("looking %s up for %s: %w", callee, caller, err)
	}
	if _, ok := s.machine.desc.Layout.Own[caller]; !ok {
		return fail(fmt.Errorf("unknown instance %q", caller))
	}
	c, err := cell.At(s.machine.desc.Run, caller)
	if err != nil {
		return fail(err)
	}
	all, err := names.Repeat(ctx, n, patience, func(ctx context.Context) (string, error) {
		var conn net.Conn
		err := cell.Enter(c.Net, func() (err error) {
			conn, err = net.Dial("udp", s.machine.desc.NameServer) // a socket stays where it was made
			return err
		})
		if err != nil {
			return "", err
		}
		defer conn.Close()
		code, _, err := names.Ask(ctx, conn, callee)
		return code, err
	})
	if err != nil {
		return fail(err)
	}
	return all, nil
}
