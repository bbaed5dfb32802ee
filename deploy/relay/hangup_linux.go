package relay

import "golang.org/x/sys/unix"

// pollLeft is the event of a peer that has closed its side, even if there are
// bytes before the end.
const pollLeft = unix.POLLRDHUP
