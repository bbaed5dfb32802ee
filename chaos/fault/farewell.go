package fault

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/bedlamlab/bedlam/topology"
)

// keptOpen is the ping of HTTP that leaves the closing to the one who asks: a
// server that closes by itself would not show whether it has heard of our end.
const keptOpen = "GET /healthz HTTP/1.1\r\nHost: ping\r\n\r\n"

// Farewell asks for one answer, closes its side of the connection and reports
// whether the peer has closed too within patience, and after how long. A server
// of any protocol closes at once when its client has.
func Farewell(ctx context.Context, protocol topology.Protocol, address string, patience time.Duration) (took time.Duration, closed bool, err error) {
	hello, ok := pings[protocol]
	if !ok {
		return 0, false, fmt.Errorf("no farewell for protocol %q", protocol)
	}
	if protocol == topology.HTTP {
		hello = keptOpen
	}
	// The answer has its time as well.
	answer, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	conn, err := dial(answer, address)
	if err != nil {
		return 0, false, err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, hello); err != nil {
		return 0, false, err
	}
	var first [1]byte
	if _, err := io.ReadFull(conn, first[:]); err != nil {
		return 0, false, err
	}
	begin := time.Now()
	if err := conn.CloseWrite(); err != nil {
		return 0, false, err
	}
	if err := conn.SetReadDeadline(begin.Add(patience)); err != nil {
		return 0, false, err
	}
	_, err = io.Copy(io.Discard, conn)
	took = time.Since(begin)
	// A reset is an end too. One that came after its time, and was seen before
	// the deadline on a busy machine, did not come in time.
	return took, !silent(err) && took < patience, nil
}
