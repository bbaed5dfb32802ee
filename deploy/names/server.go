package names

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// A Server has taken an address and does not answer yet.
type Server struct {
	udp net.PacketConn
	tcp net.Listener
}

// again is how often an address with port 0 is tried: the free port that the
// kernel has picked for UDP may be somebody's for TCP.
const again = 32

// Listen takes host:port, for UDP and for TCP. With port 0 the kernel picks one
// that is free for both.
func Listen(address string) (*Server, error) {
	var refused error
	for range again {
		udp, err := net.ListenPacket("udp4", address)
		if err != nil {
			return nil, fmt.Errorf("listening for questions: %w", err)
		}
		tcp, err := net.Listen("tcp4", udp.LocalAddr().String())
		if err == nil {
			return &Server{udp, tcp}, nil
		}
		udp.Close()
		refused = fmt.Errorf("listening for questions: %w", err)
		if udp.LocalAddr().String() == address { // it was the only one
			break
		}
	}
	return nil, refused
}

// Address returns where the server listens.
func (s *Server) Address() string { return s.tcp.Addr().String() }

// Close gives the address up, before Serve.
func (s *Server) Close() error { return errors.Join(s.udp.Close(), s.tcp.Close()) }

// Serve answers questions from the book until ctx is done; then nothing of it
// runs any more. An error says why it ended before.
func (s *Server) Serve(ctx context.Context, b Book) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	h := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) { answer(ctx, w, q, b) })
	servers := []*dns.Server{{PacketConn: s.udp, Handler: h}, {Listener: s.tcp, Handler: h}}
	ended := make(chan error, len(servers))
	for _, one := range servers {
		begun := make(chan struct{})
		one.NotifyStartedFunc = func() { close(begun) }
		go func() { ended <- one.ActivateAndServe() }()
		select {
		case <-begun: // before, it could not be shut down
		case err := <-ended:
			ended <- err
		}
	}
	left := len(servers)
	var err error
	select {
	case <-ctx.Done():
	case err = <-ended:
		left--
	}
	cancel()
	for _, one := range servers {
		one.Shutdown() // an error says that it has ended already
	}
	for range left {
		err = errors.Join(err, <-ended)
	}
	s.udp.Close()
	s.tcp.Close()
	if err != nil {
		return fmt.Errorf("answering questions for names: %w", err)
	}
	return nil
}

// payload is the size of a message over UDP that passes every network whole,
// bytes: what servers have agreed on. Our answers have a tenth of it.
const payload = 1232

// answer lets the book decide a question, and does as it says.
func answer(ctx context.Context, w dns.ResponseWriter, q *dns.Msg, b Book) {
	a := new(dns.Msg)
	var asked dns.Question
	if len(q.Question) == 1 {
		asked = q.Question[0]
	}
	who, ours := instance(asked.Name)
	if !ours || q.Opcode != dns.OpcodeQuery || asked.Qclass != dns.ClassINET {
		a.SetRcode(q, dns.RcodeRefused) // names of others are not ours to find
		w.WriteMsg(a)
		return
	}
	f := b.Find(from(w.RemoteAddr()), who)
	if f.Late > 0 {
		t := time.NewTimer(f.Late)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
	if f.Silent {
		return
	}
	a.SetRcode(q, f.code())
	a.Authoritative, a.RecursionAvailable = true, true // a resolver takes only who says the latter for a server of its own
	if a.Rcode == dns.RcodeSuccess && (asked.Qtype == dns.TypeA || asked.Qtype == dns.TypeANY) {
		a.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: asked.Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: f.Address.AsSlice()}}
	}
	if q.IsEdns0() != nil {
		a.SetEdns0(payload, false) // who speaks of extensions wants to hear of them
	}
	w.WriteMsg(a) // an error means that the asker is gone
}

// from is who asks.
func from(a net.Addr) netip.Addr {
	switch a := a.(type) {
	case *net.UDPAddr:
		return a.AddrPort().Addr().Unmap()
	case *net.TCPAddr:
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}
