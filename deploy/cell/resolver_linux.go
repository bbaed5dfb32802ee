package cell

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/bedlamlab/bedlam/deploy/names"
)

// resolver is where every program looks for its name servers.
const resolver = "/etc/resolv.conf"

// standIn has the thread, and whom it starts, find file at the resolver's place,
// and nobody else. The mount goes with the last of them. It is for a thread that
// ends: one that does not would keep it.
func standIn(file string) error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("making a mount namespace: %w", err)
	}
	// This machine's mounts come and go there as well, and those there not here.
	if err := unix.Mount("", "/", "", unix.MS_SLAVE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("parting the mounts from this machine's: %w", err)
	}
	if err := unix.Mount(file, resolver, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mounting %s at %s: %w", file, resolver, err)
	}
	return nil
}

// CanResolve reports why the processes in cells cannot have a name server of
// their own here: the error wraps [errors.ErrUnsupported] and says what would
// give it. It tries, once in the life of a process, and nothing of it stays.
func CanResolve() error { return canResolve() }

var canResolve = sync.OnceValue(func() error {
	if err := Try(); err != nil {
		return err
	}
	if err := apart(func() error { return standIn(resolver) }); err != nil {
		return fmt.Errorf("isolated instances cannot have a resolv.conf of their own: %w (is there a %s? if this is a container, run it with --privileged): %w", err, resolver, errors.ErrUnsupported)
	}
	if err := room(); err != nil {
		return fmt.Errorf("there is no room for a name server: %w (does one of this machine's listen on all addresses? bind it to its own, such as 127.0.0.1): %w", err, errors.ErrUnsupported)
	}
	return nil
})

// room reports whether a name server has room beside this machine's own: who
// listens on all addresses is in the way of every other one.
func room() (err error) {
	// Loopback has sixteen million addresses, of which one is tried that somebody
	// else may be trying as well, seldom twice in a row.
	for range 3 {
		at := netip.AddrFrom4([4]byte{127, byte(1 + rand.IntN(254)), byte(rand.IntN(256)), byte(1 + rand.IntN(254))})
		var s *names.Server
		if s, err = names.Listen(netip.AddrPortFrom(at, names.Port).String()); err == nil {
			return s.Close()
		}
	}
	return err
}
