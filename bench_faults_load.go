package bedlam

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// benchPatience bounds one measurement's waiting for a single answer: on a
// machine where it is reached nothing can be compared.
const benchPatience = 20 * time.Second

// A visitor is one connection of the comparison's client. It writes its
// requests by itself, so that little of what is measured is the client.
type visitor struct {
	*net.TCPConn
	read *bufio.Reader
}

func visit(ctx context.Context, address string) (*visitor, error) {
	d := net.Dialer{Timeout: benchPatience}
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	v := &visitor{c.(*net.TCPConn), bufio.NewReader(c)}
	v.SetLinger(0) // thousands of closed connections would take the ports otherwise
	return v, nil
}

// ask sends a request for a page and waits for all of the answer.
func (v *visitor) ask(page string) error {
	status, err := v.status(page)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("status %d", status)
	}
	return err
}

// status is ask for a page that may be refused.
func (v *visitor) status(page string) (int, error) {
	if err := v.begin(page); err != nil {
		return 0, err
	}
	a, err := http.ReadResponse(v.read, nil)
	if err != nil {
		return 0, err
	}
	defer a.Body.Close()
	_, err = io.Copy(io.Discard, a.Body)
	return a.StatusCode, err
}

func (v *visitor) begin(page string) error {
	v.SetDeadline(time.Now().Add(benchPatience))
	_, err := io.WriteString(v, "GET "+page+" HTTP/1.1\r\nHost: bench\r\n\r\n")
	return err
}

// visitors opens n connections, each of which has had an answer.
func visitors(ctx context.Context, address string, n int) ([]*visitor, error) {
	all := make([]*visitor, n)
	err := together(n, func(i int) (err error) {
		if all[i], err = visit(ctx, address); err != nil {
			return err
		}
		return all[i].ask(benchEcho)
	})
	if err != nil {
		leave(all)
	}
	return all, err
}

func leave(all []*visitor) {
	for _, v := range all {
		if v != nil {
			v.Close()
		}
	}
}

// together does n things at the same time and returns one of their errors.
func together(n int, do func(i int) error) error {
	errs := make(chan error, n)
	for i := range n {
		go func() { errs <- do(i) }()
	}
	var failed error
	for range n {
		if err := <-errs; err != nil {
			failed = err
		}
	}
	return failed
}

// requestsPerSecond counts the answers that n connections get, which ask again
// as soon as they have one, and says how long it has counted.
func requestsPerSecond(ctx context.Context, address string, n int, each time.Duration) (float64, time.Duration, error) {
	all, err := visitors(ctx, address, n)
	if err != nil {
		return 0, 0, err
	}
	defer leave(all)
	var answers atomic.Int64
	began := time.Now()
	err = together(n, func(i int) error {
		for time.Since(began) < each && ctx.Err() == nil {
			if err := all[i].ask(benchEcho); err != nil {
				return err
			}
			answers.Add(1)
		}
		return ctx.Err()
	})
	took := time.Since(began)
	return float64(answers.Load()) / took.Seconds(), took, err
}

// poured returns the bytes a second of one connection, from its first byte on,
// and how long it has drunk.
func poured(ctx context.Context, address string, each time.Duration) (float64, time.Duration, error) {
	v, err := visit(ctx, address)
	if err != nil {
		return 0, 0, err
	}
	defer v.Close()
	if err := v.begin(benchPour); err != nil {
		return 0, 0, err
	}
	return v.drink(each)
}

// drink reads for a while. The pieces that come first and last are where the
// clock starts and stops, so that their size does not matter.
func (v *visitor) drink(each time.Duration) (float64, time.Duration, error) {
	block := make([]byte, 256<<10)
	if _, err := v.Read(block); err != nil {
		return 0, 0, err
	}
	began := time.Now()
	var sum int
	for {
		n, err := v.Read(block)
		if err != nil {
			return 0, 0, err
		}
		sum += n
		if took := time.Since(began); took >= each {
			return float64(sum) / took.Seconds(), took, nil
		}
	}
}

// inTurns asks one connection of each way in turns and notes the medians.
func inTurns(ctx context.Context, ways []*benchWay, each time.Duration, values map[benchKey]float64) error {
	all := make([]*visitor, len(ways))
	defer func() { leave(all) }()
	took := make([][]time.Duration, len(ways))
	for i, w := range ways {
		var err error
		if all[i], err = visit(ctx, w.address); err != nil {
			return err
		}
	}
	for began := time.Now(); time.Since(began) < each || len(took[0]) == 0; {
		for i, v := range all {
			for range benchTurn {
				asked := time.Now()
				if err := v.ask(benchEcho); err != nil {
					return fmt.Errorf("%s: %w", ways[i].name, err)
				}
				took[i] = append(took[i], time.Since(asked))
			}
		}
	}
	for i, w := range ways {
		values[benchKey{benchAlone, w.name}] = 1e6 * median(took[i]).Seconds()
	}
	return ctx.Err()
}

// A shaping is how long a harm takes to come and to go, and how long whoever
// does it takes for the least that there is to it.
type shaping struct{ apply, applyFloor, lift, liftFloor time.Duration }

// crowd has n connections ask again and again while the way delays answers, or
// of a way that cannot, ask a page that waits as long; it returns the times
// of the answers and those of putting the latency in and taking it out.
// The connections begin one after the other over one delay: all at once would
// measure how long one machine takes for n answers.
func crowd(ctx context.Context, w *benchWay, n int, each time.Duration) (took []time.Duration, s shaping, err error) {
	all, err := visitors(ctx, w.address, n)
	if err != nil {
		return nil, s, err
	}
	defer leave(all)
	page := benchWait
	if w.delay != nil {
		page = benchEcho
		if s.applyFloor, err = timed(ctx, w.bare); err != nil {
			return nil, s, err
		}
		if s.apply, err = timed(ctx, w.delay); err != nil {
			return nil, s, err
		}
		defer func() {
			var failed, late error
			undo := context.WithoutCancel(ctx)
			s.liftFloor, failed = timed(undo, w.bare)
			s.lift, late = timed(undo, w.lift)
			err = errors.Join(err, failed, late)
		}()
	}
	var mu sync.Mutex
	began := time.Now()
	err = together(n, func(i int) error {
		select {
		case <-time.After(benchDelay * time.Duration(i) / time.Duration(n)):
		case <-ctx.Done():
			return ctx.Err()
		}
		for first := true; first || time.Since(began) < each; first = false {
			asked := time.Now()
			if err := all[i].ask(page); err != nil {
				return err
			}
			answered := time.Since(asked)
			mu.Lock()
			took = append(took, answered)
			mu.Unlock()
		}
		return ctx.Err()
	})
	return took, s, err
}

// timed returns how long something takes; what is not there takes nothing.
func timed(ctx context.Context, do func(context.Context) error) (time.Duration, error) {
	if do == nil {
		return 0, nil
	}
	began := time.Now()
	err := do(ctx)
	return time.Since(began), err
}

// narrowed returns by how many percent a connection's throughput misses the
// rate that was asked for.
func narrowed(ctx context.Context, w *benchWay, each time.Duration) (_ float64, err error) {
	if err := w.narrow(ctx); err != nil {
		return 0, err
	}
	defer func() {
		if failed := w.lift(context.WithoutCancel(ctx)); err == nil {
			err = failed
		}
	}()
	rate, _, err := poured(ctx, w.address, each)
	return 100 * math.Abs(rate/benchRate-1), err
}
