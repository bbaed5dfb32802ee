package clock_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bedlamlab/bedlam/deploy/relay/clock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func running(t *testing.T) *clock.Clock {
	t.Helper()
	c, err := clock.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// Many set and clear at the same time. What has been set last rings, once and
// not before its time.
func TestAlarms(t *testing.T) {
	c := running(t)
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			draw := rand.New(rand.NewPCG(1, uint64(i)))
			soon := func() time.Time { return time.Now().Add(time.Duration(draw.Int64N(int64(3 * time.Millisecond)))) }
			rang := make(chan time.Time, 1)
			a := c.Alarm(func() { rang <- time.Now() }) // one more than is asked for would block the clock
			for range 50 {
				due := soon()
				if draw.IntN(2) == 0 {
					a.Set(time.Now().Add(time.Hour))
				}
				a.Set(due)
				a.Set(due)
				if at := <-rang; at.Before(due) {
					t.Errorf("%s too early", due.Sub(at))
				}
				a.Clear() // on a machine that stands still, it is due before it is set again
				select {
				case <-rang:
				default:
				}
			}
			a.Set(soon())
			a.Clear()
			a.Clear()
			select {
			case <-rang: // before it was cleared
			default:
			}
			last := time.Now()
			a.Set(last.Add(-time.Hour))
			if at := <-rang; at.Before(last) {
				t.Error("a cleared alarm has rung")
			}
		})
	}
	all.Wait()
}

// An alarm does not wait for one that is due after it, nor is it forgotten when
// the one before it is cleared.
func TestOneOfMany(t *testing.T) {
	c := running(t)
	late := c.Alarm(func() { t.Error("an hour has gone by") })
	late.Set(time.Now().Add(time.Hour))
	cleared := c.Alarm(func() {})
	cleared.Set(time.Now().Add(5 * time.Millisecond))
	rang := make(chan struct{}, 1)
	a := c.Alarm(func() { rang <- struct{}{} })
	a.Set(time.Now().Add(10 * time.Millisecond))
	cleared.Clear()
	<-rang
	a.Set(time.Now())
	<-rang
}

func TestSleep(t *testing.T) {
	c := running(t)
	until := time.Now().Add(3 * time.Millisecond)
	if err := c.Sleep(t.Context(), until); err != nil || time.Now().Before(until) {
		t.Errorf("it slept until %s before the time, %v", time.Until(until), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Sleep(ctx, time.Now().Add(time.Hour)); !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
}

// What a closed clock is told does nothing.
func TestClosed(t *testing.T) {
	c, err := clock.New()
	if err != nil {
		t.Fatal(err)
	}
	a := c.Alarm(func() { t.Error("a closed clock has rung") })
	a.Set(time.Now().Add(time.Hour))
	c.Close()
	a.Set(time.Now())
	a.Clear()
}
