package fault_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/chaos/fault"
	"github.com/bedlamlab/bedlam/topology"
)

// Each protocol's server hears what it must answer to.
func TestPingSaysTheFirstWord(t *testing.T) {
	for protocol, want := range map[topology.Protocol]string{
		topology.HTTP: "GET /healthz HTTP/1.1\r\n", topology.GRPC: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", topology.Postgres: "\x00\x00\x00\x08\x04\xd2\x16\x2f",
	} {
		heard := make(chan string, 1)
		address := listen(t, func(c net.Conn) {
			b := make([]byte, len(want))
			_, _ = io.ReadFull(c, b)
			heard <- string(b)
			_, _ = c.Write([]byte("N"))
			c.Close()
		})
		if _, err := fault.Ping(t.Context(), protocol, address); err != nil {
			t.Errorf("%s: %v", protocol, err)
		}
		if got := <-heard; got != want {
			t.Errorf("%s: the server heard %q, want %q", protocol, got, want)
		}
	}
}

func TestPingFails(t *testing.T) {
	if _, err := fault.Ping(t.Context(), "smtp", "127.0.0.1:1"); err == nil || !strings.Contains(err.Error(), "smtp") {
		t.Errorf("an unknown protocol: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	var timeout net.Error
	if _, err := fault.Ping(ctx, topology.HTTP, listen(t, keepsSilent)); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("a silent server: %v", err)
	}
	if _, err := fault.Ping(t.Context(), topology.HTTP, listen(t, func(c net.Conn) { c.Close() })); err == nil {
		t.Error("a server that hangs up counts as an answer")
	}
}
