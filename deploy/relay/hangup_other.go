//go:build unix && !linux

package relay

import "golang.org/x/sys/unix"

// pollLeft is the event of a peer that has closed. Only Linux tells a peer that
// has closed its side from one that still writes; elsewhere a caller that gave
// up is seen when it resets, or when the set-up goes on.
const pollLeft = unix.POLLHUP
