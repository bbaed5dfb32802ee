package names_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/bedlamlab/bedlam/deploy/names"
)

// patience bounds every wait; it is no measure of anything.
const patience = time.Minute

// A book answers everybody alike.
type book map[string]names.Fate

func (b book) Find(from netip.Addr, instance string) names.Fate {
	if !from.IsLoopback() {
		return names.Fate{Code: names.Failed}
	}
	return b[instance]
}

var here = netip.MustParseAddr("127.0.0.9")

// serve answers from b until the test ends, or it is stopped.
func serve(t *testing.T, b names.Book) (address string, stop func()) {
	t.Helper()
	s, err := names.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, b) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return s.Address(), stop
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// ask puts one question on a connection of its own.
func ask(t *testing.T, ctx context.Context, network, address, instance string) (string, netip.Addr, error) {
	t.Helper()
	conn, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return names.Ask(ctx, conn, instance)
}

// Over UDP and over TCP, a question is answered as the book says.
func TestServe(t *testing.T) {
	address, _ := serve(t, book{
		"cart-1": {Address: here}, "lost-1": {Address: here, Code: names.Unknown}, "ill-1": {Address: here, Code: names.Failed},
		"late-1": {Address: here, Late: 50 * time.Millisecond},
	})
	for _, network := range []string{"udp", "tcp"} {
		for instance, want := range map[string]string{"cart-1": names.Found, "lost-1": names.Unknown, "ill-1": names.Failed, "late-1": names.Found, "nobody-1": names.Unknown} {
			began := time.Now()
			code, at, err := ask(t, within(t, patience), network, address, instance)
			if err != nil || code != want || at.IsValid() != (want == names.Found) || at.IsValid() && at != here {
				t.Errorf("%s, %s: got %s, %v, %v; want %s", network, instance, code, at, err, want)
			}
			if took := time.Since(began); instance == "late-1" && took < 50*time.Millisecond {
				t.Errorf("%s: it was to be late, and took %s", network, took)
			}
		}
	}
}

// Silence is silence: no answer, and no refusal either.
func TestSilence(t *testing.T) {
	address, _ := serve(t, book{"cart-1": {Address: here, Silent: true}})
	if code, _, err := ask(t, within(t, 200*time.Millisecond), "udp", address, "cart-1"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %s, %v; want silence", code, err)
	}
}

// The resolver of every program finds the names, and its errors say what is
// wrong with them.
func TestAResolver(t *testing.T) {
	address, _ := serve(t, book{"cart-1": {Address: here}, "ill-1": {Address: here, Code: names.Failed}})
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
	all, err := r.LookupHost(within(t, patience), names.Of("cart-1"))
	if err != nil || len(all) != 1 || all[0] != here.String() {
		t.Errorf("got %q, %v; want %s", all, err, here)
	}
	wrong := (*net.DNSError)(nil)
	if _, err := r.LookupHost(within(t, patience), names.Of("nobody-1")+"."); !errors.As(err, &wrong) || !wrong.IsNotFound {
		t.Errorf("got %v, want that it is not found", err)
	}
	if _, err := r.LookupHost(within(t, patience), names.Of("ill-1")+"."); !errors.As(err, &wrong) || wrong.IsNotFound {
		t.Errorf("got %v, want that the server failed", err)
	}
}

// What is asked in another way is answered as DNS has it.
func TestOtherQuestions(t *testing.T) {
	address, _ := serve(t, book{"cart-1": {Address: here}})
	for _, c := range []struct {
		what    string
		ask     func(*dns.Msg)
		code    int
		answers int
	}{
		{"a name in capitals", func(m *dns.Msg) { m.SetQuestion("CART-1.Internal.", dns.TypeA) }, dns.RcodeSuccess, 1},
		{"any record", func(m *dns.Msg) { m.SetQuestion("cart-1.internal.", dns.TypeANY) }, dns.RcodeSuccess, 1},
		{"an IPv6 address, of which there is none", func(m *dns.Msg) { m.SetQuestion("cart-1.internal.", dns.TypeAAAA) }, dns.RcodeSuccess, 0},
		{"a name below one", func(m *dns.Msg) { m.SetQuestion("x.cart-1.internal.", dns.TypeA) }, dns.RcodeNameError, 0},
		{"somebody else's name", func(m *dns.Msg) { m.SetQuestion("example.com.", dns.TypeA) }, dns.RcodeRefused, 0},
		{"the zone itself", func(m *dns.Msg) { m.SetQuestion("internal.", dns.TypeA) }, dns.RcodeRefused, 0},
		{"a notice", func(m *dns.Msg) { m.SetNotify("cart-1.internal.") }, dns.RcodeRefused, 0},
		{"another class", func(m *dns.Msg) { m.SetQuestion("cart-1.internal.", dns.TypeA); m.Question[0].Qclass = dns.ClassCHAOS }, dns.RcodeRefused, 0},
	} {
		m := new(dns.Msg)
		c.ask(m)
		m.SetEdns0(4096, false)
		a, err := dns.ExchangeContext(within(t, patience), m, address)
		if err != nil || a.Rcode != c.code || len(a.Answer) != c.answers {
			t.Errorf("%s: got %v, %v", c.what, a, err)
		}
		if err == nil && c.code != dns.RcodeRefused && (a.IsEdns0() == nil || !a.Authoritative || !a.RecursionAvailable) {
			t.Errorf("%s: no resolver would take %v", c.what, a)
		}
	}
}

// A server that ends does not wait for late answers, and leaves nothing.
func TestServeEnds(t *testing.T) {
	before := runtime.NumGoroutine()
	met := make(chan struct{}, 1)
	address, stop := serve(t, bookFunc(func() names.Fate {
		met <- struct{}{}
		return names.Fate{Address: here, Late: time.Hour}
	}))
	asked, give := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	conn, err := net.Dial("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		_, _, err := names.Ask(asked, conn, "cart-1")
		gone <- err
	}()
	<-met
	stop()
	give()
	if err := <-gone; err == nil {
		t.Error("there was an answer")
	}
	for until := time.Now().Add(patience); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) { // goroutines end by themselves
		if time.Now().After(until) {
			t.Fatalf("%d goroutines are left, and were %d", runtime.NumGoroutine(), before)
		}
	}
	again, err := names.Listen(address)
	if err != nil {
		t.Fatalf("its address is not free: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

type bookFunc func() names.Fate

func (f bookFunc) Find(netip.Addr, string) names.Fate { return f() }

func TestListenTwice(t *testing.T) {
	s, err := names.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if again, err := names.Listen(s.Address()); err == nil {
		again.Close()
		t.Error("two listen at one address")
	}
}

func TestConfig(t *testing.T) {
	if got, want := names.Config(here), "nameserver 127.0.0.9\nsearch .\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
