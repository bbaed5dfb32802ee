package docker

import (
	"io"
	"net"
	"net/url"
	"strings"
	"testing"
)

func TestForwardFromContainer(t *testing.T) {
	l := newLab(t)
	n, ip := l.net()
	ln := listen(t)
	accept(ln, func(conn net.Conn) { io.Copy(conn, conn) })
	at, err := n.Forward(l.ctx, "http://"+ln.Addr().String())
	l.must(err)
	u, err := url.Parse(at)
	l.must(err)
	if u.Hostname() != n.Gateway.String() {
		t.Errorf("it listens at %s, want the gateway %s", at, n.Gateway)
	}
	id := l.play(spec{Network: n.ID, IP: ip}, "call", u.Host, "a span")
	if got := l.said(id); strings.TrimSpace(got) != "a span" {
		t.Errorf("the container hears %q", got)
	}
}
