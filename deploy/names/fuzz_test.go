package names

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// A said is a writer that remembers what was answered.
type said struct {
	dns.ResponseWriter
	answer *dns.Msg
}

func (s *said) RemoteAddr() net.Addr        { return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
func (s *said) WriteMsg(a *dns.Msg) error   { s.answer = a; return nil }
func (s *said) Write(b []byte) (int, error) { return len(b), nil }

type one struct{}

func (one) Find(_ netip.Addr, instance string) Fate {
	if instance != "cart-1" {
		return Fate{}
	}
	return Fate{Address: netip.AddrFrom4([4]byte{127, 0, 0, 9}), Late: time.Nanosecond}
}

// Whatever is asked, there is one answer, it can be sent, and it is of that question.
func FuzzAnswer(f *testing.F) {
	for _, name := range []string{"cart-1.internal.", "nobody.internal.", "example.com.", "."} {
		for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeANY} {
			q := new(dns.Msg)
			q.SetQuestion(name, kind)
			q.SetEdns0(4096, true)
			b, err := q.Pack()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		q := new(dns.Msg)
		if q.Unpack(packet) != nil {
			return // who reads them refuses it
		}
		var s said
		answer(t.Context(), &s, q, one{})
		if s.answer == nil || s.answer.Id != q.Id || !s.answer.Response {
			t.Fatalf("%v is answered with %v", q, s.answer)
		}
		if _, err := s.answer.Pack(); err != nil {
			t.Fatalf("the answer to %v cannot be sent: %v", q, err)
		}
	})
}
