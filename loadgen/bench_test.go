package loadgen_test

import (
	"context"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/loadgen"
)

// beShop serves the small shop until its standard input ends.
func beShop() {
	s := httptest.NewServer(newShop())
	fmt.Println(s.Listener.Addr())
	io.Copy(io.Discard, os.Stdin)
}

// BenchmarkOpenLoop holds 300 journeys a second, about a thousand requests, for
// 5 s against a shop in another process and reports what a request costs the
// generator in processor time, journeys, meaning checks, traces and history
// included; how late it sent them; and how many of the due ones it made.
func BenchmarkOpenLoop(b *testing.B) {
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), shopEnv+"=1")
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
	defer func() { in.Close(); cmd.Wait() }()
	var addr string
	if _, err := fmt.Fscan(out, &addr); err != nil {
		b.Fatal(err)
	}
	for _, rate := range []float64{40, 300, 1500} {
		b.Run(strconv.Itoa(int(rate)), func(b *testing.B) {
			for n := range b.N {
				openLoop(b, addr, rate, n)
			}
		})
	}
}

// measured is how long the load of one measurement lasts: some 5000 requests at
// the middle rate, so that a p99 has 50 beyond it.
const measured = 5 * time.Second

func openLoop(b *testing.B, addr string, rate float64, n int) {
	path := fmt.Sprintf("%s/history-%d", b.TempDir(), n)
	w, err := loadgen.Create(path, loadgen.Header{Run: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	g, err := loadgen.Start(b.Context(), loadgen.Config{
		Run: "bench" + strconv.Itoa(n), Seed: 1, Rate: rate, Recorder: w, Products: skus(50),
		Gateways: []loadgen.Gateway{{Instance: "a", Address: addr}, {Instance: "b", Address: addr}},
	})
	if err != nil {
		b.Fatal(err)
	}
	before := cpu(b)
	time.Sleep(measured) // nothing is awaited: it is this long that it is measured
	if err := g.Drain(context.Background()); err != nil {
		b.Fatal(err)
	}
	spent := cpu(b) - before
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	_, rows, _, err := loadgen.Read(path)
	if err != nil {
		b.Fatal(err)
	}
	var lag []time.Duration
	bad := 0
	for _, r := range rows {
		lag = append(lag, r.Lag())
		if !r.Good() {
			bad++
		}
	}
	slices.Sort(lag)
	b.ReportMetric(spent.Seconds()/float64(len(rows))*1e5, "cpu-s/100k")
	b.ReportMetric(float64(lag[len(lag)*99/100].Microseconds()), "lag-p99-us")
	b.ReportMetric(float64(len(rows))/measured.Seconds(), "requests/s")
	b.ReportMetric(float64(bad), "bad")
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

// BenchmarkScript is what it costs to write one journey's script.
func BenchmarkScript(b *testing.B) {
	p := planner(b, 1, 1000)
	var s loadgen.Script
	b.ReportAllocs()
	for n := uint64(0); b.Loop(); n++ {
		p.Script(n, &s)
	}
}

// BenchmarkRecord is what it costs a journey to have a request recorded.
func BenchmarkRecord(b *testing.B) {
	w, err := loadgen.Create(b.TempDir()+"/history", header())
	if err != nil {
		b.Fatal(err)
	}
	r := sample(9)
	b.ReportAllocs()
	for b.Loop() {
		w.Record(r)
	}
	w.Close() // some may be lost: nothing writes as fast as this loop
}

// BenchmarkExport is not about speed alone: it must not need the whole history.
func BenchmarkExport(b *testing.B) {
	path := b.TempDir() + "/history"
	write(b, path, samples(10_000))
	b.ReportAllocs()
	for b.Loop() {
		if err := loadgen.Export(io.Discard, path); err != nil {
			b.Fatal(err)
		}
	}
}
