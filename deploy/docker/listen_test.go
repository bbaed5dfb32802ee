package docker

import (
	"net"
	"path/filepath"
	"testing"
)

// listen listens until the test ends, or earlier by its Close: on a free port
// of the loopback.
func listen(t *testing.T) net.Listener {
	t.Helper()
	return listening(t, "tcp", "127.0.0.1:0")
}

// socket is listen at a socket of the file system, with the URL that a daemon's
// is named by.
func socket(t *testing.T) (ln net.Listener, host string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "d.sock")
	return listening(t, "unix", path), "unix://" + path
}

func listening(t *testing.T, network, address string) net.Listener {
	t.Helper()
	ln, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

// accept handles every connection, and closes it then, until nobody listens any
// more.
func accept(ln net.Listener, handle func(net.Conn)) {
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				handle(conn)
			}()
		}
	}()
}
