package loadgen

import (
	"encoding/hex"
	"strconv"
	"time"

	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/topology"
)

// host is the shop's one name for all its gateways, as customers know it.
const host = "shop.localhost"

// write lays the request out in s.out.
func (s *shopper) write(act *action, st Step, r *Request) {
	b := s.out[:0]
	if act.body == nil {
		b = append(b, "GET "...)
	} else {
		b = append(b, "POST "...)
	}
	b = act.path(b, s, st)
	b = append(b, " HTTP/1.1\r\nHost: "+host+"\r\nUser-Agent: bedlam-loadgen\r\nAccept: application/json\r\ntraceparent: 00-"...)
	b = hex.AppendEncode(b, r.TraceID[:])
	b = append(b, '-')
	b = hex.AppendEncode(b, s.span[:])
	b = append(b, "-01\r\n"...)
	b = append(b, s.c.headers...)
	if r.Key != "" {
		b = append(append(append(b, "Idempotency-Key: "...), r.Key...), "\r\n"...)
	}
	if act.body != nil {
		s.body = act.body(s.body[:0], s, st)
		b = append(b, "Content-Type: application/json\r\nContent-Length: "...)
		b = strconv.AppendInt(b, int64(len(s.body)), 10)
		b = append(append(b, "\r\n\r\n"...), s.body...)
	} else {
		b = append(b, "\r\n"...)
	}
	s.out = b
}

// trace reports the request's client span, and below it one for each gateway
// that could not be reached.
func (s *shopper) trace(r *Request) {
	at := func(d time.Duration) time.Time { return s.g.zero.Add(d) }
	top := collector.Span{
		Trace: r.TraceID, ID: s.span, Kind: collector.Client,
		Service: topology.Loader, Instance: topology.Loader + "-1", Name: r.Class,
		Start: at(r.Sent), End: at(r.Done), Error: !r.Good(),
		Peer: "gateway", PeerInstance: r.Gateway, Attempt: len(s.answer.Misses) + 1,
	}
	if r.Status != 0 {
		top.Code = strconv.Itoa(r.Status)
	}
	if top.Error {
		top.Message = r.Reason
	}
	if r.Outcome == Degraded {
		top.Attrs = map[string]string{"degraded": r.Reason}
	}
	if r.Surge != "" {
		if top.Attrs == nil {
			top.Attrs = map[string]string{}
		}
		top.Attrs["surge"] = r.Surge
	}
	misses := s.answer.Misses
	if r.Reason == "no_slot" {
		misses, top.Attempt = nil, 0 // nobody was asked, the answer is an old one
	} else if r.Status == 0 && len(misses) == s.c.peers {
		top.Attempt = len(misses)
	}
	s.g.config.Span(top)
	for i, m := range misses {
		miss := collector.Span{
			Trace: r.TraceID, Parent: top.ID, Kind: collector.Client,
			Service: top.Service, Instance: top.Instance, Name: "dial",
			Start: m.From, End: m.To, Error: true, Message: m.Reason,
			Peer: top.Peer, PeerInstance: s.c.client.Peer(m.Peer).Instance, Attempt: i + 1,
		}
		// Derived from the parent's, so that a run's ids repeat with its seed.
		miss.ID = s.span
		miss.ID[0] ^= byte(i + 1)
		s.g.config.Span(miss)
	}
}
