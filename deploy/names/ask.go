package names

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/miekg/dns"
)

// Ask puts one question for an instance's address on a connection to a name
// server, UDP or TCP, and waits for the answer until ctx is done. It returns the
// answer's code, such as [Found] or [Failed], and the address if there is one. An
// error says that there is no answer.
func Ask(ctx context.Context, conn net.Conn, instance string) (code string, at netip.Addr, err error) {
	q := new(dns.Msg)
	q.SetQuestion(dns.Fqdn(Of(instance)), dns.TypeA)
	c := &dns.Conn{Conn: conn}
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if err := c.WriteMsg(q); err != nil {
		return "", at, fmt.Errorf("asking for %s: %w", Of(instance), err)
	}
	for {
		a, err := c.ReadMsg()
		switch {
		case ctx.Err() != nil:
			return "", at, fmt.Errorf("asking for %s: no answer: %w", Of(instance), context.Cause(ctx))
		case err != nil:
			return "", at, fmt.Errorf("asking for %s: %w", Of(instance), err)
		case a.Id != q.Id:
			continue // of an earlier question on the connection
		}
		for _, rr := range a.Answer {
			if rr, ok := rr.(*dns.A); ok {
				at, _ = netip.AddrFromSlice(rr.A.To4())
			}
		}
		return dns.RcodeToString[a.Rcode], at, nil
	}
}
