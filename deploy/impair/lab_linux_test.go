package impair_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/cell"
	"github.com/bedlamlab/bedlam/deploy/enginetest"
	"github.com/bedlamlab/bedlam/deploy/impair"
	"github.com/bedlamlab/bedlam/deploy/lan"
)

// patience bounds every wait; it is no measure of anything.
const patience = time.Minute

// A lab is one cell that nobody lives in, and a plane over it.
type lab struct {
	*testing.T
	plane  *impair.Plane
	target impair.Target
	folder string
	bedlam string
	net    lan.Net
}

var labs atomic.Int64

func newLab(t *testing.T) *lab {
	t.Helper()
	t.Parallel() // they wait more than they work
	if err := cell.Check(); err != nil {
		t.Skip(err)
	}
	number := labs.Add(1)
	run := fmt.Sprintf("impairtest-%d-%d", os.Getpid(), number)
	taken, err := lan.Taken()
	if err != nil {
		t.Fatal(err)
	}
	subnet, err := lan.Draw(rand.New(rand.NewPCG(uint64(os.Getpid()), uint64(number))), taken)
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{T: t, folder: filepath.Join(t.TempDir(), "impair"), bedlam: enginetest.Small(t).Bedlam, net: lan.In(subnet)}
	at, err := l.net.Address(1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cell.Sweep(context.Background(), run); err != nil {
			t.Error(err)
		}
	})
	cells, err := cell.Build(t.Context(), run, l.net, []cell.Inmate{{Name: "a", Address: at}})
	if err != nil {
		t.Fatal(err)
	}
	l.target = impair.Target{Instance: "a", Net: cells[0].Net, Device: cell.Device, Cgroups: cells[0].Cgroups, Data: t.TempDir()}
	l.plane = l.another()
	t.Cleanup(l.plane.Close)
	return l
}

// another is a plane as another process would have it.
func (l *lab) another() *impair.Plane {
	return impair.New(l.folder, l.bedlam, func(context.Context, string) (impair.Target, error) { return l.target, nil })
}

func (l *lab) within() context.Context {
	ctx, cancel := context.WithTimeout(l.Context(), patience)
	l.Cleanup(cancel)
	return ctx
}

// impair does what an impairment says, and skips the test where the machine
// cannot.
func (l *lab) impair(kind string, args any) deploy.Impairment {
	l.Helper()
	b, err := json.Marshal(args)
	if err != nil {
		l.Fatal(err)
	}
	i := deploy.Impairment{ID: "x/" + kind, Instances: []string{"a"}, Kind: kind, Args: b, Seed: 7}
	if err := l.plane.CanImpair(l.within(), i); err != nil {
		l.Skip(err)
	}
	began := time.Now()
	if err := l.plane.Impair(l.within(), i); err != nil {
		l.Fatal(err)
	}
	l.Logf("%s is in force after %s", kind, time.Since(began).Round(time.Millisecond)) // a figure to look at, not one to judge
	l.shows(kind)
	return i
}

func (l *lab) repair(i deploy.Impairment) {
	l.Helper()
	began := time.Now()
	if err := l.plane.Repair(l.within(), i.ID); err != nil {
		l.Fatal(err)
	}
	l.Logf("%s is lifted after %s", i.Kind, time.Since(began).Round(time.Millisecond)) // a figure to look at, not one to judge
}

// shows wants exactly these kinds in force.
func (l *lab) shows(kinds ...string) {
	l.Helper()
	all, err := l.plane.Impairments(l.within(), "")
	if err != nil {
		l.Fatal(err)
	}
	var got []string
	for _, i := range all {
		got = append(got, i.Kind)
	}
	if strings.Join(got, " ") != strings.Join(kinds, " ") {
		l.Fatalf("the kernel shows %q, want %q", got, kinds)
	}
}

// untouched wants neither a rule nor a queue of ours in the cell.
func (l *lab) untouched() {
	l.Helper()
	tables, err := impair.Tables(l.target)
	if err != nil {
		l.Fatal(err)
	}
	if len(tables) > 0 {
		l.Errorf("tables are left: %q", tables)
	}
	l.shows()
	if left, err := os.ReadDir(l.folder); err == nil && len(left) > 0 {
		l.Errorf("records are left: %v", left)
	}
}

// A letter is a packet that has arrived.
type letter struct {
	number int
	sent   time.Time
	took   time.Duration
}

const letterSize = 64 // bytes

// letters sends n packets into the cell and returns them in the order in which
// they arrive, when all have.
func (l *lab) letters(n int) []letter {
	l.Helper()
	return l.post(n, n, false, patience)
}

// some is letters for packets of which not all arrive, or some twice: it ends
// with a further one, of which as many are sent as it takes. None of them may be
// late.
func (l *lab) some(n int) []letter {
	l.Helper()
	return l.post(n, 3*n, true, patience)
}

// end is the number of a letter behind which no other comes.
const end = -2

// post sends n packets, and returns what arrives until there are most or the
// end, if there is to be one.
func (l *lab) post(n, most int, ends bool, wait time.Duration) []letter {
	l.Helper()
	var in net.PacketConn
	err := cell.Enter(l.target.Net, func() (err error) {
		in, err = net.ListenPacket("udp4", netip.AddrPortFrom(l.address(), 7000).String())
		return err
	})
	if err != nil {
		l.Fatal(err)
	}
	defer in.Close()
	if err := roomy(in.(*net.UDPConn)); err != nil {
		l.Fatal(err)
	}
	out, err := net.Dial("udp4", in.LocalAddr().String())
	if err != nil {
		l.Fatal(err)
	}
	defer out.Close()
	began := time.Now()
	arrived := make(chan []letter, 1)
	go func() {
		var all []letter
		defer func() { arrived <- all }()
		b := make([]byte, 2*letterSize)
		for len(all) < most {
			size, _, err := in.ReadFrom(b)
			if err != nil {
				return
			}
			var number int
			var sent int64
			if _, err := fmt.Sscanf(string(b[:size]), "%d %d", &number, &sent); err != nil || size != letterSize {
				number = -1
			}
			if number == end {
				return
			}
			at := began.Add(time.Duration(sent))
			all = append(all, letter{number, at, time.Since(at)})
		}
	}()
	send := func(number int) {
		text := fmt.Sprintf("%d %d ", number, time.Since(began))
		if _, err := out.Write([]byte(text + strings.Repeat(".", letterSize-len(text)))); err != nil {
			l.Fatal(err)
		}
	}
	for i := range n {
		send(i)
		if i%20 == 19 { // what the shortest buffer on the way holds many times over
			time.Sleep(time.Millisecond)
		}
	}
	in.SetReadDeadline(time.Now().Add(wait))
	for {
		if ends {
			send(end)
		}
		select {
		case all := <-arrived:
			return all
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// none wants that nothing arrives, of what would at once.
func (l *lab) none(what string) {
	l.Helper()
	if got := l.post(5, 5, false, 500*time.Millisecond); len(got) > 0 {
		l.Errorf("%s: %d of 5 arrive", what, len(got))
	}
}

// roomy gives a socket a buffer that holds all letters of a test.
func roomy(conn *net.UDPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var set error
	err = raw.Control(func(fd uintptr) { set = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20) })
	return errors.Join(err, set)
}

func (l *lab) address() netip.Addr {
	at, err := l.net.Address(1)
	if err != nil {
		l.Fatal(err)
	}
	return at
}
