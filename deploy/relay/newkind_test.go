package relay_test

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
)

// A kind that stands in a file of its own, and is registered there, harms as it
// says, and the relay knows nothing of it.
func TestANewKind(t *testing.T) {
	type end struct {
		got string
		err error
	}
	ends := make(chan end, 1)
	r := between(t, serve(t, func(c *net.TCPConn) {
		got, err := io.ReadAll(c)
		ends <- end{string(got), err}
	}))
	r.shape(rule("r", "test-drip", "", ""))
	if _, err := io.WriteString(r.dial(), "0123456789abcdef"); err != nil {
		t.Fatal(err)
	}
	if e := <-ends; e.got != "0123456789" || !errors.Is(e.err, syscall.ECONNRESET) {
		t.Errorf("got %q, %v; want ten bytes and a reset", e.got, e.err)
	}
}
