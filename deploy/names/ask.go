package names

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/errgroup"

	"github.com/bedlamlab/bedlam/deploy"
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

// atOnce is how many of many questions are on their way at the same time.
const atOnce = 16

// Repeat calls ask n times, some at once, and tells what each came to. One that
// takes longer than patience has no answer; every other error ends it.
func Repeat(ctx context.Context, n int, patience time.Duration, ask func(context.Context) (code string, err error)) ([]deploy.Answer, error) {
	all := make([]deploy.Answer, n)
	asking, ctx := errgroup.WithContext(ctx)
	asking.SetLimit(atOnce)
	for i := range all {
		asking.Go(func() error {
			once, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			began := time.Now()
			code, err := ask(once)
			if err != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
				code, err = "", nil
			}
			all[i] = deploy.Answer{Code: code, Took: time.Since(began)}
			return err
		})
	}
	if err := asking.Wait(); err != nil {
		return nil, err
	}
	return all, nil
}
