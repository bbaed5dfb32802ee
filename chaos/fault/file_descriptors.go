package fault

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	kernel "github.com/bedlamlab/bedlam/deploy/impair"
	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/topology"
)

// fileDescriptors leaves instances few descriptors to open.
type fileDescriptors struct {
	impaired
	kernel.Descriptors
}

func init() {
	register(Kind{Name: kernel.FileDescriptors, On: onInstances, Needs: impairsAlone,
		Doc:    "Leaves an instance that many file descriptors beside those that it has open: then it can take no connection and make none, and those that it has go on.",
		Params: "spare: 0 to 1000 (default 0)",
		build: byKernel(kernel.FileDescriptors, "", func() (chaos.Fault, *impaired, validator) {
			f := &fileDescriptors{}
			return f, &f.impaired, &f.Descriptors
		})})
}

// fits refuses servers that have a process for each connection.
func (f *fileDescriptors) fits(t topology.System) error {
	for _, in := range f.victims {
		if protocolAt(t, in) == topology.Postgres {
			return kernel.Lacks(in+" hands each connection to a process of its own, so that its descriptors do not run out", "a victim that is no PostgreSQL")
		}
	}
	return nil
}

// Probe takes the descriptors that every victim has left, by connections of its
// own, and wants no answer to one more, while an instance that is not harmed
// answers with as many; after the lift, it wants every victim to do so.
func (f *fileDescriptors) Probe(ctx context.Context, s deploy.System, injected bool) (string, error) {
	if !injected {
		err := f.each(func(in string) error {
			err := f.answers(ctx, s, in, f.Spare)
			if err != nil {
				err = fmt.Errorf("behind %d connections there is still no answer: %w", f.Spare, err)
			}
			return err
		})
		if err != nil {
			return "", err
		}
		return f.inspect(ctx, s, well)
	}
	if err := f.shown(ctx, s); err != nil {
		return "", err
	}
	peer, err := f.peer(s)
	if err != nil {
		return "", err
	}
	most, limit := 0, 0
	err = f.each(func(in string) error {
		process, err := pid(ctx, s, in)
		if err != nil {
			return err
		}
		if limit, err = kernel.FileLimit(process); err != nil {
			return err
		}
		open, err := kernel.OpenFiles(process)
		if err != nil {
			return err
		}
		left := limit
		for _, fd := range open {
			if fd < limit {
				left--
			}
		}
		most = max(most, left)
		switch err := f.answers(ctx, s, in, left); {
		case err == nil:
			return fmt.Errorf("answers behind %d connections, with a limit of %d descriptors", left, limit)
		case !silent(err):
			return fmt.Errorf("not silent: %w", err)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	if err := f.answers(ctx, s, peer, most); err != nil {
		return "", fmt.Errorf("behind as many connections to %s, which is not harmed, there is no answer either: that it is this fault's doing cannot be told: %w", peer, err)
	}
	return fmt.Sprintf("no answer behind %s, with a limit of %d descriptors; %s answers", count(most, "connection", "connections"), limit, peer), nil
}

// answers wants an answer from an instance behind so many connections that say
// nothing.
func (f *fileDescriptors) answers(ctx context.Context, s deploy.System, instance string, behind int) error {
	address, err := s.Address("", instance)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime+time.Duration(behind)*time.Millisecond)
	defer cancel()
	var d net.Dialer
	for range behind {
		conn, err := d.DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		defer conn.Close()
	}
	_, err = Ping(ctx, protocolAt(s.Topology(), instance), address)
	return err
}

// answerTime is for the machine: a server that has waited for a descriptor asks
// again after a second at the most.
const answerTime = 1500 * time.Millisecond

// Met reports a failed call to or by one of the victims.
func (f *fileDescriptors) Met(s collector.Span) bool { return s.Error && f.called(s) }
