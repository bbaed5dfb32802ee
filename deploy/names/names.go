// Package names lets the instances of a run find one another by names instead
// of addresses, at a name server of the run's own that can be harmed.
//
//   - [Of] is an instance's name.
//   - [Listen] takes a server's address, [Server.Serve] answers there from a
//     [Book]: who asks is known by where the question comes from, so that the
//     book can answer everybody otherwise.
//   - [Ask] puts one question, as a resolver does, and does not ask again;
//     [Repeat] has many put.
//   - [Config] is the resolv.conf that sends a program's questions there.
//
// Nobody keeps an answer: each has a life of 0 s, so that what becomes of a
// question is decided when it is asked.
package names

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// zone ends every name: the domain that is set aside for private networks.
const zone = "internal"

// Of returns an instance's name, such as cart-1.internal.
func Of(instance string) string { return instance + "." + zone }

// instance returns whose name that is, if it is one of ours.
func instance(name string) (string, bool) {
	return strings.CutSuffix(strings.ToLower(strings.TrimSuffix(name, ".")), "."+zone)
}

// Port is where a resolver looks for a name server: resolv.conf knows no other.
const Port = 53

// Config returns a resolv.conf that names that server alone. No domain is tried
// behind a name that is not found.
func Config(server netip.Addr) string { return fmt.Sprintf("nameserver %s\nsearch .\n", server) }

// The codes of answers, as DNS writes them.
const (
	Found   = "NOERROR"
	Unknown = "NXDOMAIN"
	Failed  = "SERVFAIL"
)

// A Fate is what becomes of one question. The zero Fate says that there is no
// such name.
type Fate struct {
	Address netip.Addr    // the answer, IPv4; invalid: there is no such name
	Code    string        // [Unknown] or [Failed] in the place of the address; empty: the address
	Silent  bool          // there is no answer at all
	Late    time.Duration // it comes so much later
}

// A Book decides each question for an instance's address, by whoever stands at
// from. It is asked by many goroutines at once and must not block.
type Book interface {
	Find(from netip.Addr, instance string) Fate
}

// code is f's code as a message carries it.
func (f Fate) code() int {
	switch {
	case f.Code != "":
		return dns.StringToRcode[f.Code]
	case !f.Address.IsValid():
		return dns.RcodeNameError
	}
	return dns.RcodeSuccess
}
