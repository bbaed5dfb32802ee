package http1_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/loadgen/internal/http1"
)

// serverEnv makes this test binary a server, so that a benchmark's processor
// time is the client's alone.
const serverEnv = "HTTP1_TEST_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(serverEnv) == "" {
		os.Exit(m.Run())
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(l.Addr())
	go func() { // ends with whoever started it
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go answer(0, c, bufio.NewReader(c))
	}
}

func server(b *testing.B) string {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), serverEnv+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { in.Close(); cmd.Wait() })
	var addr string
	if _, err := fmt.Fscan(out, &addr); err != nil {
		b.Fatal(err)
	}
	return addr
}

// BenchmarkAgainstNetHTTP drives one server with this client and with
// net/http's, in turns, over 50 kept connections each, and reports how many
// times more requests this one makes per second of its own processor time:
// the median of the rounds, and the lowest.
func BenchmarkAgainstNetHTTP(b *testing.B) {
	addr := server(b)
	const users, rounds = 50, 11
	ours := http1.New([]http1.Peer{{Instance: "s", Address: addr}}, http1.Options{})
	defer ours.Close()
	theirs := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: users, DisableCompression: true}}
	defer theirs.CloseIdleConnections()

	// The request of a product page, with the fields that the generator sends.
	request := []byte("GET /api/products/P00001 HTTP/1.1\r\nHost: shop.localhost\r\nUser-Agent: bedlam-loadgen\r\nAccept: application/json\r\n" +
		"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n")
	codec := func() func() error {
		var a http1.Answer
		return func() error { return ours.Do(time.Now().Add(3*time.Second), 0, request, &a) }
	}
	std := func() func() error {
		return func() error {
			r, err := http.NewRequest("GET", "http://"+addr+"/api/products/P00001", nil)
			if err != nil {
				return err
			}
			r.Header.Set("User-Agent", "bedlam-loadgen")
			r.Header.Set("Accept", "application/json")
			r.Header.Set("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
			a, err := theirs.Do(r)
			if err != nil {
				return err
			}
			defer a.Body.Close()
			_, err = io.Copy(io.Discard, a.Body)
			return err
		}
	}
	n := max(b.N, 5000)
	cost := func(user func() func() error) float64 {
		var left atomic.Int64
		left.Store(int64(n))
		var all sync.WaitGroup
		before := cpu(b)
		for range users {
			all.Go(func() {
				ask := user()
				for left.Add(-1) >= 0 {
					if err := ask(); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		all.Wait()
		return (cpu(b) - before).Seconds() / float64(n)
	}
	cost(codec) // connections are made
	cost(std)
	var ratio, mine []float64
	b.ResetTimer()
	for range rounds {
		c := cost(codec)
		ratio = append(ratio, cost(std)/c)
		mine = append(mine, c)
	}
	slices.Sort(ratio)
	slices.Sort(mine)
	b.ReportMetric(ratio[rounds/2], "x-net/http")
	b.ReportMetric(ratio[0], "x-net/http-least")
	b.ReportMetric(mine[rounds/2]*1e5, "cpu-s/100k")
	b.ReportMetric(0, "ns/op")
}

// cpu is the processor time of this process.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
