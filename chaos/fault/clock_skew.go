package fault

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	kernel "github.com/bedlamlab/bedlam/deploy/impair"
	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/topology"
)

// clockSkew sets instances' wall clocks wrong.
type clockSkew struct {
	impaired
	kernel.Skew
}

func init() {
	register(Kind{Name: kernel.ClockSkew, On: onInstances, Needs: impairsAlone,
		Doc:    "Sets the wall clock of an instance alone ahead or back; the clock by which it measures and waits goes on as it is. On amd64 only: it is done by machine code.",
		Params: "skew: 5s to 87600h, or as much below 0",
		build: byKernel(kernel.ClockSkew, "", func() (chaos.Fault, *impaired, validator) {
			f := &clockSkew{}
			return f, &f.impaired, &f.Skew
		})})
}

// Probe asks every victim for its time and wants it to be off by the skew,
// beside our own clock; after the lift, by nothing. Whose protocol tells no time
// is believed to the kernel, which shows what its process is told.
func (f *clockSkew) Probe(ctx context.Context, s deploy.System, injected bool) (string, error) {
	want := time.Duration(0)
	if injected {
		if err := f.shown(ctx, s); err != nil {
			return "", err
		}
		want = f.Skew.Skew.D()
	}
	asked, off := 0, time.Duration(0)
	err := f.each(func(in string) error {
		var err error
		var tells bool
		off, tells, err = f.off(ctx, s, in)
		if err != nil || !tells {
			return err
		}
		asked++
		if away := off - want; max(away, -away) > clockPrecision {
			return fmt.Errorf("its clock is off by %s, not by %s", round(off), want)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	if !injected {
		return f.inspect(ctx, s, well)
	}
	if asked == 0 {
		return fmt.Sprintf("the processes of %s are told a time that is off by %s; none tells it to others", count(len(f.victims), "instance", "instances"), want), nil
	}
	return fmt.Sprintf("%s of %d says a time that is off by %s", count(asked, "instance", "instances"), len(f.victims), round(off)), nil
}

// clockPrecision is for a time in whole seconds that was on its way for a
// while, on a busy machine. It is less than half of the least skew.
const clockPrecision = 2 * time.Second

// off is how far an instance's clock is ahead of ours, if its protocol tells a
// time.
func (f *clockSkew) off(ctx context.Context, s deploy.System, instance string) (off time.Duration, tells bool, err error) {
	address, err := s.Address("", instance)
	if err != nil {
		return 0, false, err
	}
	ctx, cancel := context.WithTimeout(ctx, clockPrecision)
	defer cancel()
	var says time.Time
	switch protocol := protocolAt(s.Topology(), instance); protocol {
	case topology.HTTP:
		says, err = httpDate(ctx, address)
	case topology.Postgres:
		var dsn string
		if dsn, err = login(s, protocol, instance); err == nil {
			says, err = postgresTime(ctx, address, dsn)
		}
	default:
		return 0, false, nil
	}
	return time.Until(says), true, err
}

// httpDate is the time of which a server says that its answer is.
func httpDate(ctx context.Context, address string) (time.Time, error) {
	conn, err := dial(ctx, address)
	if err != nil {
		return time.Time{}, err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, pings[topology.HTTP]); err != nil {
		return time.Time{}, err
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return time.Time{}, err
	}
	defer res.Body.Close()
	return http.ParseTime(res.Header.Get("Date"))
}

// postgresTime is the time of a new connection's process.
func postgresTime(ctx context.Context, address, dsn string) (time.Time, error) {
	config, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return time.Time{}, err
	}
	config.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, address) }
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return time.Time{}, fmt.Errorf("logging in: %w", err)
	}
	defer conn.Close(ctx)
	r := conn.ExecParams(ctx, "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint", nil, nil, nil, nil).Read()
	if r.Err != nil {
		return time.Time{}, r.Err
	}
	ms, err := strconv.ParseInt(string(r.Rows[0][0]), 10, 64)
	return time.UnixMilli(ms), err
}

// Met reports a call that a victim served by its wrong clock.
func (f *clockSkew) Met(s collector.Span) bool { return f.served(s) }
