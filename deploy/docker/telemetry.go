package docker

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"sync"

	"github.com/bedlamlab/bedlam/deploy/supervise"
)

// forward lets the run's containers reach the collector, which listens on
// 127.0.0.1 only: it listens on the network's gateway, forwards what comes from
// the network to telemetry's host, and returns telemetry's URL as containers
// see it. It ends, with all of its connections, when ctx does.
func (n *network) forward(ctx context.Context, telemetry string) (string, error) {
	fail := func(err error) (string, error) {
		return "", fmt.Errorf("forwarding telemetry from %s: %w", n.Gateway, err)
	}
	u, err := url.Parse(telemetry)
	if err != nil {
		return fail(err)
	}
	to := u.Host
	if u.Hostname() == "" || u.Port() == "" {
		return fail(fmt.Errorf("%q has no host and port", telemetry))
	}
	ln, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(netip.AddrPortFrom(n.Gateway, 0)))
	if err != nil {
		return fail(err)
	}
	context.AfterFunc(ctx, func() { ln.Close() })
	go func() {
		defer ln.Close()
		for {
			conn, err := ln.AcceptTCP()
			if ctx.Err() != nil {
				if err == nil {
					conn.Close()
				}
				return
			}
			if err != nil {
				supervise.Sleep(ctx, glance) // out of files, or a caller that went away: the next may be luckier
				continue
			}
			// The gateway is an address of this machine, which others may reach.
			if !n.subnet.Contains(conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()) {
				conn.Close()
				continue
			}
			go join(ctx, conn, to)
		}
	}()
	u.Host = ln.Addr().String()
	return u.String(), nil
}

// join connects from with a new connection to the address, until both have
// ended or ctx is done.
func join(ctx context.Context, from *net.TCPConn, address string) {
	defer from.Close()
	dialed, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return // the caller sees a closed connection, and tries again
	}
	to := dialed.(*net.TCPConn)
	defer to.Close()
	defer context.AfterFunc(ctx, func() {
		from.Close()
		to.Close()
	})()
	var both sync.WaitGroup
	for _, way := range [][2]*net.TCPConn{{from, to}, {to, from}} {
		both.Go(func() {
			if _, err := io.Copy(way[1], way[0]); err != nil {
				from.Close()
				to.Close()
				return
			}
			way[1].CloseWrite()
		})
	}
	both.Wait()
}
