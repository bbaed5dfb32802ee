package relay_test

import (
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
)

// The benchmarks are ratios against a control, measured turn by turn on the
// same machine: its load moves both.

// round asks n questions of 64 bytes, one after the other.
func round(b *testing.B, c net.Conn, n int) time.Duration {
	buf := make([]byte, 64)
	began := time.Now()
	for range n {
		if _, err := c.Write(buf); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c, buf); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(began)
}

func patient(b *testing.B, c *net.TCPConn) *net.TCPConn {
	c.SetDeadline(time.Time{})
	return c
}

// report prints the median of ratios, and what lies between the quartiles.
func report(b *testing.B, what string, ratios []float64) {
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], what)
	b.ReportMetric(ratios[len(ratios)/4], what+"-q1")
	b.ReportMetric(ratios[len(ratios)*3/4], what+"-q3")
}

// BenchmarkRequests compares round trips through a relay without rules with
// direct ones: the share of requests each second that is left.
func BenchmarkRequests(b *testing.B) {
	server := serve(b, echo)
	direct := patient(b, dial(b, server))
	through := patient(b, between(b, server).dial())
	const n = 200
	var ratios []float64
	for b.Loop() {
		d := round(b, direct, n)
		t := round(b, through, n)
		ratios = append(ratios, float64(d)/float64(t))
	}
	report(b, "of-direct", ratios)
}

// BenchmarkConnections does the same for a new connection for each question.
func BenchmarkConnections(b *testing.B) {
	server := serve(b, echo)
	r := between(b, server)
	through := r.link(ab).Listen
	const n = 50
	fresh := func(address string) time.Duration {
		began := time.Now()
		for range n {
			c, err := net.Dial("tcp", address)
			if err != nil {
				b.Fatal(err)
			}
			round(b, c, 1)
			c.Close()
		}
		return time.Since(began)
	}
	var ratios []float64
	for b.Loop() {
		d := fresh(server)
		t := fresh(through)
		ratios = append(ratios, float64(d)/float64(t))
	}
	report(b, "of-direct", ratios)
}

// BenchmarkBulk compares the throughput of 64 MiB: without rules, and under a
// latency of 1 ms, which pipelining must keep from being a limit.
func BenchmarkBulk(b *testing.B) {
	for _, args := range []string{"", `{"latency":"1ms"}`} {
		b.Run("rule="+args, func(b *testing.B) {
			server := serve(b, func(c *net.TCPConn) {
				defer c.Close()
				buf := make([]byte, 1<<20)
				for {
					n, err := c.Read(buf)
					if err != nil {
						return
					}
					if buf[n-1] == 1 { // the last byte of a round
						c.Write(buf[:1])
					}
				}
			})
			direct := patient(b, dial(b, server))
			r := between(b, server)
			through := patient(b, r.dial())
			if args != "" {
				r.shape(rule("r", "latency", "to", args))
			}
			block := make([]byte, 1<<20)
			pour := func(c net.Conn) time.Duration {
				began := time.Now()
				for i := range 64 {
					block[len(block)-1] = byte(i / 63)
					if _, err := c.Write(block); err != nil {
						b.Fatal(err)
					}
				}
				if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
					b.Fatal(err)
				}
				return time.Since(began)
			}
			var ratios []float64
			for b.Loop() {
				d := pour(direct)
				t := pour(through)
				ratios = append(ratios, float64(d)/float64(t))
			}
			report(b, "of-direct", ratios)
		})
	}
}

// BenchmarkLatency compares the error of a 10 ms latency with that of a server
// that waits 10 ms by itself: how late the answer is beyond what was asked.
func BenchmarkLatency(b *testing.B) {
	const delay = 10 * time.Millisecond
	sleeper := patient(b, dial(b, serve(b, func(c *net.TCPConn) {
		defer c.Close()
		buf := make([]byte, 64)
		for {
			if _, err := io.ReadFull(c, buf); err != nil {
				return
			}
			time.Sleep(delay) // the control itself
			c.Write(buf)
		}
	})))
	r := between(b, serve(b, echo))
	through := patient(b, r.dial())
	round(b, through, 1)
	r.shape(rule("r", "latency", "from", `{"latency":"10ms"}`))
	var control, ours []time.Duration
	for b.Loop() {
		control = append(control, round(b, sleeper, 1)-delay)
		ours = append(ours, round(b, through, 1)-delay)
	}
	for name, errors := range map[string][]time.Duration{"control": control, "relay": ours} {
		slices.Sort(errors)
		b.ReportMetric(float64(errors[len(errors)/2].Microseconds()), name+"-p50-late-us")
		b.ReportMetric(float64(errors[len(errors)*99/100].Microseconds()), name+"-p99-late-us")
	}
	b.ReportMetric(float64(ours[len(ours)/2])/float64(control[len(control)/2]), "of-control")
}

// BenchmarkShape is the time of applying and lifting a rule with 100 live
// connections that must change over and back.
func BenchmarkShape(b *testing.B) {
	r := between(b, serve(b, echo))
	address := r.link(ab).Listen
	for range 100 {
		round(b, patient(b, dial(b, address)), 1)
	}
	var apply, lift []time.Duration
	for b.Loop() {
		began := time.Now()
		r.shape(rule("r", "latency", "both", `{"latency":"1ms"}`))
		shaped := time.Now()
		r.unshape("r")
		apply = append(apply, shaped.Sub(began))
		lift = append(lift, time.Since(shaped))
	}
	slices.Sort(apply)
	slices.Sort(lift)
	b.ReportMetric(float64(apply[len(apply)/2].Microseconds()), "apply-p50-us")
	b.ReportMetric(float64(lift[len(lift)/2].Microseconds()), "lift-p50-us")
}

// BenchmarkBandwidth saturates a limited link for a second after its first
// piece and compares what arrived with what was asked. The control is the same
// limit kept by a sender that sleeps between pieces of the same size until each
// is due and makes up for any lateness: what is left of the error there is the
// machine's. Over the line's lateness of 25 ms the relay makes up for nothing, so
// that a second in which the machine was busy elsewhere for longer brings less.
func BenchmarkBandwidth(b *testing.B) {
	for _, rate := range []deploy.Rate{64_000, 1e6, 10e6, 100e6} {
		for _, connections := range []int{1, 8} {
			b.Run(fmt.Sprintf("%s/%d", rate, connections), func(b *testing.B) {
				var sum atomic.Int64
				sink := serve(b, func(c *net.TCPConn) {
					defer c.Close()
					buf := make([]byte, 64<<10)
					for {
						n, err := c.Read(buf)
						if err != nil {
							return
						}
						sum.Add(int64(n))
					}
				})
				// second pours into the connections and returns the share of the
				// rate that a second has brought.
				second := func(pour func(stop <-chan struct{})) float64 {
					stop := make(chan struct{})
					var poured sync.WaitGroup
					poured.Go(func() { pour(stop) })
					at := sum.Load()
					for sum.Load() == at {
						time.Sleep(time.Millisecond) // a look at a counter, which costs the measured nothing
					}
					at, began := sum.Load(), time.Now()
					time.Sleep(time.Second) // nothing is awaited: it is this long that it is measured
					share := float64(sum.Load()-at) / float64(rate) / time.Since(began).Seconds()
					close(stop)
					poured.Wait()
					return share
				}
				piece := make([]byte, max(256, int(rate)/200))
				var ours, control []float64
				for b.Loop() {
					direct := patient(b, dial(b, sink))
					control = append(control, second(func(stop <-chan struct{}) {
						began, sent := time.Now(), 0
						for {
							select {
							case <-stop:
								direct.Close()
								return
							case <-time.After(time.Until(began.Add(rate.Time(sent)))):
							}
							n, _ := direct.Write(piece)
							sent += n
						}
					}))
					r := between(b, sink)
					r.shape(rule("r", "bandwidth", "to", fmt.Sprintf(`{"rate":%q}`, rate)))
					ours = append(ours, second(func(stop <-chan struct{}) {
						var all sync.WaitGroup
						for range connections {
							c := patient(b, r.dial())
							all.Go(func() {
								block := make([]byte, 64<<10)
								for {
									if _, err := c.Write(block); err != nil {
										return
									}
								}
							})
						}
						<-stop
						r.Stop() // resets the connections
						all.Wait()
					}))
				}
				report(b, "of-asked", ours)
				report(b, "control-of-asked", control)
				slices.Sort(ours)
				b.ReportMetric(ours[0], "of-asked-least")
				b.ReportMetric(ours[len(ours)-1], "of-asked-most")
			})
		}
	}
}
