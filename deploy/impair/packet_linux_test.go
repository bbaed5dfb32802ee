package impair_test

import (
	"errors"
	"io"
	"math"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/cell"
	"github.com/bedlamlab/bedlam/deploy/impair"
	"github.com/bedlamlab/bedlam/topology"
)

const ms = topology.Duration(time.Millisecond)

// within99 reports whether k of n is within the 99 % interval of a binomial
// distribution; n is so large that the normal one stands for it.
func within99(k, n int, p float64) bool {
	return math.Abs(float64(k)-p*float64(n)) <= 2.576*math.Sqrt(float64(n)*p*(1-p))+0.5
}

func TestDelay(t *testing.T) {
	l := newLab(t)
	i := l.impair(impair.PacketDelay, impair.Delay{Latency: 50 * ms, Jitter: 20 * ms})
	const n = 400
	got := l.letters(n)
	if len(got) != n {
		t.Fatalf("%d of %d packets have arrived", len(got), n)
	}
	var sum time.Duration
	late := 0
	for _, x := range got {
		sum += x.took
		if x.took < 30*time.Millisecond {
			t.Errorf("packet %d took %s, want at least 30 ms", x.number, x.took)
		}
		if x.took > 50*time.Millisecond {
			late++
		}
	}
	t.Logf("on average they took %s, want 50 ms", (sum / n).Round(10*time.Microsecond)) // a figure to look at, not one to judge
	if late < n/4 {
		t.Errorf("only %d of %d took more than the mean: is there a jitter?", late, n)
	}
	l.repair(i)
	l.untouched()
	quick := l.letters(10)
	slices.SortFunc(quick, func(a, b letter) int { return int(a.took - b.took) })
	if len(quick) != 10 || quick[0].took > 30*time.Millisecond {
		t.Errorf("after the lift: %v", quick)
	}
}

func TestReorder(t *testing.T) {
	l := newLab(t)
	l.impair(impair.PacketDelay, impair.Delay{Latency: 700 * ms, Reorder: 25})
	const n = 1000 // sent in far less than the delay
	got := l.letters(n)
	if len(got) != n {
		t.Fatalf("%d of %d packets have arrived", len(got), n)
	}
	if got[n-1].sent.Sub(got[0].sent) > 700*time.Millisecond {
		t.Skip("this machine was too busy to send them in time")
	}
	quick := 0
	for at, x := range got {
		if slices.ContainsFunc(got[at:], func(y letter) bool { return y.number < x.number }) {
			quick++
		}
	}
	if !within99(quick, n, 0.25) {
		t.Errorf("%d of %d have overtaken others, want a quarter", quick, n)
	}
}

func TestLoss(t *testing.T) {
	l := newLab(t)
	i := l.impair(impair.PacketLoss, impair.Loss{Loss: 10})
	const n = 5000
	got := l.some(n)
	if lost := n - len(got); !within99(lost, n, 0.1) {
		t.Errorf("%d of %d are lost, want a tenth", lost, n)
	}
	l.repair(i)
	l.untouched()
	if got := l.letters(500); len(got) != 500 {
		t.Errorf("after the lift %d of 500 arrive", len(got))
	}
}

func TestDuplicate(t *testing.T) {
	l := newLab(t)
	i := l.impair(impair.PacketDuplicate, impair.Duplicate{Duplicate: 25})
	const n = 2000
	got := l.some(n)
	if twice := len(got) - n; !within99(twice, n, 0.25) {
		t.Errorf("%d of %d have arrived twice, want a quarter", twice, n)
	}
	seen := map[int]int{}
	for _, x := range got {
		seen[x.number]++
	}
	for number, times := range seen {
		if number < 0 || times > 2 {
			t.Errorf("%d has arrived %d times", number, times)
		}
	}
	if len(seen) != n {
		t.Errorf("%d of %d have arrived at all", len(seen), n)
	}
	l.repair(i)
	l.untouched()
}

// A corrupt packet is thrown away by the receiver's kernel, which counts it.
func TestCorrupt(t *testing.T) {
	l := newLab(t)
	before := l.checksumErrors()
	i := l.impair(impair.PacketCorrupt, impair.Corrupt{Corrupt: 20})
	const n = 3000
	got := l.some(n)
	wrong := l.checksumErrors() - before
	if !within99(n-len(got), n, 0.2) {
		t.Errorf("%d of %d have not arrived, want a fifth", n-len(got), n)
	}
	// A bit of the port leads to nobody, before anybody looks at the checksum.
	if lost := n - len(got); wrong > lost || wrong < lost*9/10 {
		t.Errorf("%d have not arrived, and %d had wrong checksums", lost, wrong)
	}
	for _, x := range got {
		if x.number < 0 {
			t.Error("a wrong one has arrived")
		}
	}
	l.repair(i)
	l.untouched()
}

// checksumErrors is how many UDP packets the cell's kernel has thrown away for
// their checksum.
func (l *lab) checksumErrors() int {
	l.Helper()
	var b []byte
	err := cell.Enter(l.target.Net, func() (err error) {
		b, err = os.ReadFile("/proc/self/task/" + strconv.Itoa(unix.Gettid()) + "/net/snmp")
		return err
	})
	if err != nil {
		l.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] != "Udp:" {
			continue
		}
		if names == nil {
			names = f
			continue
		}
		n, err := strconv.Atoi(f[slices.Index(names, "InCsumErrors")])
		if err != nil {
			l.Fatal(err)
		}
		return n
	}
	l.Fatal("the kernel does not count checksum errors")
	return 0
}

func TestBandwidth(t *testing.T) {
	l := newLab(t)
	send := func(n int) deploy.Rate {
		var ln net.Listener
		err := cell.Enter(l.target.Net, func() (err error) {
			ln, err = net.Listen("tcp", netip.AddrPortFrom(l.address(), 7001).String())
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		go func() {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			conn.Write(make([]byte, n))
		}()
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		// Past what goes at once.
		begun, err := io.CopyN(io.Discard, conn, int64(n/4))
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := io.Copy(io.Discard, conn); err != nil {
			t.Fatal(err)
		}
		return deploy.Rate(float64(n-int(begun)) / time.Since(began).Seconds())
	}
	i := l.impair(impair.PacketBandwidth, impair.Bandwidth{Rate: 1e6})
	got := send(1 << 20)
	t.Logf("%d bytes a second, want %d", int64(got), int64(1e6)) // too slow may be the machine's doing
	if got > 1.03e6 {
		t.Errorf("%d bytes a second, want at most 3 %% more than %d", int64(got), int64(1e6))
	}
	l.repair(i)
	l.untouched()
	if free := send(4 << 20); free < 2*got {
		t.Errorf("after the lift %s", free)
	}
}

func TestPartition(t *testing.T) {
	l := newLab(t)
	for _, c := range []struct {
		way     string
		arrives bool
	}{{impair.In, false}, {impair.Both, false}, {"", false}, {impair.Out, true}} {
		i := l.impair(impair.PacketPartition, impair.Partition{Way: c.way})
		if c.arrives {
			if got := l.letters(20); len(got) != 20 {
				t.Errorf("way %q: %d of 20 arrive", c.way, len(got))
			}
		} else {
			l.none("way " + c.way)
		}
		l.repair(i)
		l.untouched()
	}
	if got := l.letters(20); len(got) != 20 {
		t.Errorf("after the lift %d of 20 arrive", len(got))
	}
}

// The run's own record goes through everything.
func TestSpared(t *testing.T) {
	l := newLab(t)
	ln, err := net.Listen("tcp", net.JoinHostPort(l.net.Gateway.String(), "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	other, err := net.Listen("tcp", net.JoinHostPort(l.net.Gateway.String(), "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	l.target.Spared = []netip.AddrPort{netip.MustParseAddrPort(ln.Addr().String())}
	dial := func(to net.Listener, d time.Duration) error {
		return cell.Enter(l.target.Net, func() error {
			conn, err := net.DialTimeout("tcp", to.Addr().String(), d)
			if err == nil {
				conn.Close()
			}
			return err
		})
	}
	l.impair(impair.PacketPartition, impair.Partition{})
	if err := dial(ln, patience); err != nil {
		t.Errorf("to the collector: %v", err)
	}
	if err := dial(other, 300*time.Millisecond); err == nil {
		t.Error("to anybody else it gets through as well")
	}
}

// All kinds work on one instance beside one another, and each is lifted alone.
func TestTogether(t *testing.T) {
	l := newLab(t)
	delay := l.impair(impair.PacketDelay, impair.Delay{Latency: 50 * ms})
	args := func(kind, args string) deploy.Impairment {
		return deploy.Impairment{ID: "x/" + kind, Instances: []string{"a"}, Kind: kind, Args: []byte(args), Seed: 7}
	}
	loss, narrow := args(impair.PacketLoss, `{"loss":20}`), args(impair.PacketBandwidth, `{"rate":"1MB/s"}`)
	twice, cut := args(impair.PacketDuplicate, `{"duplicate":1}`), args(impair.PacketPartition, `{}`)
	for _, i := range []deploy.Impairment{loss, narrow, cut, twice} {
		if err := l.plane.Impair(l.within(), i); err != nil {
			t.Fatal(err)
		}
	}
	l.none("cut off, whatever else")
	l.repair(twice)
	l.repair(cut)
	got := l.some(1000) // all equally late, so that the end comes last
	if !within99(1000-len(got), 1000, 0.2) || slices.ContainsFunc(got, func(x letter) bool { return x.took < 50*time.Millisecond }) {
		t.Errorf("%d of 1000 arrive", len(got))
	}
	l.repair(delay)
	l.shows(impair.PacketBandwidth, impair.PacketLoss)
	again := args(impair.PacketLoss, `{"loss":1}`)
	again.ID = "y/1"
	if err := l.plane.Impair(l.within(), again); err == nil || !strings.Contains(err.Error(), "a has one of this kind already, by x/packet_loss") {
		t.Errorf("a second one of its kind: %v", err)
	}
	l.repair(narrow)
	l.repair(loss)
	l.untouched()
}

// When one harm is lifted, the kernel forgets the packets that wait for another;
// whoever holds that goes on with all that come.
func TestForgotten(t *testing.T) {
	l := newLab(t)
	l.impair(impair.PacketDelay, impair.Delay{Latency: 300 * ms})
	cut := deploy.Impairment{ID: "x/cut", Instances: []string{"a"}, Kind: impair.PacketPartition, Args: []byte(`{"way":"out"}`)}
	for range 3 { // of which one falls in the time in which a packet waits
		l.post(1, 2, false, time.Millisecond)
		if err := l.plane.Impair(l.within(), cut); err != nil {
			t.Fatal(err)
		}
		l.repair(cut)
		l.post(1, 2, false, 400*time.Millisecond) // until all verdicts have come
	}
	if got := l.some(5); len(got) == 0 {
		t.Error("none arrives any more")
	}
}

// A kernel's harm ends with whoever holds it, or is undone by another process.
func TestHolderDies(t *testing.T) {
	l := newLab(t)
	i := l.impair(impair.PacketLoss, impair.Loss{Loss: 100})
	l.none("all are lost")
	l.plane.Close() // as the end of its process does
	l.shows()
	if got := l.letters(5); len(got) != 5 {
		t.Errorf("without a holder %d of 5 arrive", len(got))
	}
	if err := l.plane.Started(l.within(), l.target); err != nil {
		t.Fatal(err)
	}
	l.shows(impair.PacketLoss) // a new life has it again
	if err := l.another().Repair(l.within(), i.ID); err != nil {
		t.Fatal(err)
	}
	l.untouched()
	if err := l.another().Repair(l.within(), i.ID); err != nil {
		t.Errorf("again: %v", err)
	}
}

func TestPacketsNeedANamespace(t *testing.T) {
	l := newLab(t)
	l.target.Net = ""
	for _, kind := range []string{impair.PacketDelay, impair.PacketLoss, impair.PacketCorrupt, impair.PacketBandwidth, impair.PacketPartition} {
		args := map[string]string{impair.PacketDelay: `{"latency":"1s"}`, impair.PacketLoss: `{"loss":"10"}`, impair.PacketCorrupt: `{"corrupt":10}`, impair.PacketBandwidth: `{"rate":"1MB/s"}`}[kind]
		i := deploy.Impairment{ID: "x/1", Instances: []string{"a"}, Kind: kind, Args: []byte(args)}
		err := l.plane.CanImpair(l.within(), i)
		if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "--isolation full") {
			t.Errorf("%s: %v", kind, err)
		}
		if err := l.plane.Impair(l.within(), i); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %v", kind, err)
		}
	}
	if _, err := os.Stat(l.folder); err == nil {
		t.Error("although it cannot, something was written")
	}
}

func FuzzParsePacket(f *testing.F) {
	f.Add([]byte{2, 0, 0, 1, 11, 0, 1, 0, 0, 0, 0, 9, 8, 0, 1, 0, 8, 0, 10, 0, 1, 2, 3, 4})
	f.Add([]byte{2, 0, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, payload, ok := impair.ParsePacket(b); ok && len(payload) > len(b) {
			t.Errorf("%x holds %x", b, payload)
		}
	})
}
