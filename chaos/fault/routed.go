package fault

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/relay/message"
	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/topology"
)

// routed are the requests on links that a fault harms, one by one.
type routed struct {
	links
	message.Route
	Percent float64 `json:"percent"`

	met map[collector.TraceID]bool // nil: nobody has told us yet
}

// routeParams are the parameters of all faults on requests.
const routeParams = "method: GET|POST|… (HTTP); path: /api/carts/*/items or gRPC's /bank.v1.Bank/Charge, a * for a segment or at the end, any unless given; " +
	"percent: 0.5 to 100, of those requests, and times toxicity no less; 100 unless given"

// leastShare is the least share of requests of which a probe can tell in a few
// seconds that none is harmed any more: it takes 1379 of them in a row for one
// chance in a thousand to have missed it, some milliseconds each.
const leastShare = 0.005

// share is how many of the route's requests are harmed.
func (q *routed) share() float64 { return q.toxicity() * q.Percent / 100 }

const (
	// shortestHold is the least time that a probe can tell from what a request on
	// a new connection takes on a busy machine anyway.
	shortestHold = topology.Duration(20 * time.Millisecond)
	// shortestOfSome is that where only some requests are held: a lift is proven
	// by many in a row that are not late, and of so many such a machine alone
	// makes some late by tens of milliseconds.
	shortestOfSome = topology.Duration(50 * time.Millisecond)
)

// holds says what is wrong with a time, of that name, for which requests are held.
func (q *routed) holds(name string, d topology.Duration) error {
	least, which := shortestHold, "every request"
	if q.share() < 1 {
		least, which = shortestOfSome, "not every request"
	}
	if d < least || d > longest {
		return fmt.Errorf("%s must be between %s and %s where %s is held: a shorter one cannot be told from a busy machine", name, least, longest, which)
	}
	return nil
}

// harm makes the rule; args are what the kind adds to the route.
func (q *routed) harm(r chaos.Resolved, args map[string]any) error {
	if err := q.Validate(); err != nil {
		return err
	}
	if !(q.Percent > 0 && q.Percent <= 100) {
		return errors.New("percent must be more than 0 and at most 100")
	}
	if t := q.toxicity(); t >= leastToxicity && q.share() < leastShare { // else toxicity is wrong by itself
		return fmt.Errorf("percent times toxicity must be at least %g %%, it is %.3g %%: a probe could not tell whether the fewer are harmed or none", 100*leastShare, 100*q.share())
	}
	if r.Direction != "" && r.Direction != deploy.Both {
		return fmt.Errorf("unknown direction %q: a request and its answer are one", r.Direction)
	}
	all := map[string]any{"percent": q.Percent}
	if q.Method != "" {
		all["method"] = q.Method
	}
	if q.Path != "" {
		all["path"] = q.Path
	}
	for name, v := range args {
		all[name] = v
	}
	return q.shape(r, r.Action, all)
}

// suits says why the fault is not for an edge of that protocol.
func (q *routed) suits(p topology.Protocol) error {
	if p == topology.Postgres {
		return fmt.Errorf("an edge of %s has no requests that could be told apart (http and grpc have)", p)
	}
	return nil
}

// suitsStatus says why a status is not for an edge of that protocol.
func suitsStatus(s message.Status, p topology.Protocol) error {
	if !s.IsZero() && s.GRPC() != (p == topology.GRPC) {
		return fmt.Errorf("status %s is not one of %s", s, p)
	}
	return nil
}

// A reply is what became of a request of the probe's own.
type reply struct {
	trace  string // its trace id
	took   time.Duration
	status string // as experiments write it
	text   string // the message of gRPC, the body of HTTP
	err    error
}

func (a reply) String() string {
	if a.err != nil {
		return fmt.Sprintf("%v after %s", a.err, round(a.took))
	}
	return strings.TrimSpace(fmt.Sprintf("status %s %.80s", a.status, strings.Join(strings.Fields(a.text), " "))) + fmt.Sprintf(" after %s", round(a.took))
}

const (
	// probeType is a Content-Type that nobody serves. A server of gRPC must
	// refuse a request of it before any handler hears of it (status 415), so
	// that the probe may ask for a route which moves money. A server of HTTP
	// refuses it where it reads the body: the probe has none.
	probeType = "application/x-bedlam-probe"
	// probeWord stands in the path for what a * stands for.
	probeWord = "bedlam-probe"
	// mostText bounds what is read of an answer, bytes.
	mostText = 4 << 10
)

// ask sends one request of the route over a link, on a connection of its own,
// from caller, or past every relay if that is empty.
func (q *routed) ask(ctx context.Context, s deploy.System, caller string, link topology.Link, limit time.Duration) (a reply) {
	begin := time.Now()
	defer func() { a.took = time.Since(begin) }()
	var protocol topology.Protocol
	if protocol, a.err = protocolOf(s.Topology(), link); a.err != nil {
		return a
	}
	var address string
	if address, a.err = s.Address(caller, link.To); a.err != nil {
		return a
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	grpc := protocol == topology.GRPC
	protocols := &http.Protocols{}
	protocols.SetUnencryptedHTTP2(grpc)
	protocols.SetHTTP1(!grpc)
	t := &http.Transport{Protocols: protocols, DisableKeepAlives: true}
	defer t.CloseIdleConnections()
	method, path := q.Method, q.Example(probeWord, "/healthz")
	if method == "" {
		method = http.MethodGet
	}
	if grpc {
		method, path = http.MethodPost, q.Example(probeWord, "/grpc.health.v1.Health/Check")
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+address+path, nil)
	if err != nil {
		a.err = err
		return a
	}
	var ids [24]byte
	rand.Read(ids[:])
	a.trace = hex.EncodeToString(ids[:16])
	req.Header.Set("Content-Type", probeType)
	// Not sampled: the probe is no customer.
	req.Header.Set("Traceparent", "00-"+a.trace+"-"+hex.EncodeToString(ids[16:])+"-00")
	res, err := t.RoundTrip(req)
	if err != nil {
		a.err = err
		return a
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, mostText))
	a.status, a.text, a.err = fmt.Sprint(res.StatusCode), string(body), err
	if code := res.Header.Get("Grpc-Status"); code != "" && res.StatusCode == http.StatusOK {
		a.status, a.text = message.GRPCStatus(code).String(), res.Header.Get("Grpc-Message")
		if text, err := url.PathUnescape(a.text); err == nil {
			a.text = text
		}
	}
	return a
}

// enough reports whether n requests in a row that were not harmed are no chance
// any more: one in a thousand.
func (q *routed) enough(n int) bool {
	chance := 1.0
	for range n {
		chance *= 1 - q.share()
	}
	return chance < missed
}

// probe asks over every link until it sees a request harmed, as often as the
// share needs, and past the relay, where none may be; after the lift, none over
// the links either.
func (q *routed) probe(ctx context.Context, s deploy.System, injected bool, limit time.Duration, harmed func(reply) bool) (string, error) {
	saw := make([]string, len(q.rule.Links))
	err := q.each(func(link topology.Link) error {
		for n := 1; ; n++ {
			a := q.ask(ctx, s, link.From, link, limit)
			switch {
			case harmed(a) && !injected:
				return fmt.Errorf("still harmed: %s", a)
			case harmed(a):
				direct := q.ask(ctx, s, "", link, limit)
				if direct.err != nil || harmed(direct) {
					return fmt.Errorf("%s, but past the relay %s: that it is the link's doing cannot be told", a, direct)
				}
				saw[slices.Index(q.rule.Links, link)] = fmt.Sprintf("%s, past the relay status %s", a, direct.status)
				return nil
			case a.err != nil:
				return fmt.Errorf("not harmed so: %w", a.err)
			case q.enough(n) && injected:
				return fmt.Errorf("not harmed: %s", a)
			case q.enough(n):
				return nil
			}
		}
	})
	if !injected {
		return fmt.Sprintf("%s unharmed", count(len(q.rule.Links), "link's requests are", "links' requests are")), err
	}
	return fmt.Sprintf("%s harmed: %s", count(len(q.rule.Links), "link's requests are", "links' requests are"), saw[0]), err
}

// probeLate wants an answer over every link no sooner than least, and past the
// relay sooner. What nobody would wait for is seen by the silence.
func (q *routed) probeLate(ctx context.Context, s deploy.System, injected bool, least time.Duration) (string, error) {
	const patience = 3 * time.Second // as of slow_close: longer than this the runner does not wait
	limit := least + 2*time.Second
	if least > patience {
		least, limit = patience, patience
	}
	return q.probe(ctx, s, injected, limit, func(a reply) bool {
		return a.took >= least && (a.err == nil || silent(a.err))
	})
}

// on reports whether a span is a call over one of the links that this fault has
// met for sure, or, while nobody has told which those are, one of the route for
// which guess holds.
func (q *routed) on(s collector.Span, guess bool) bool {
	if !q.crosses(s) {
		return false
	}
	// The span of a call is named after it; a customer's is not.
	if strings.Contains(s.Name, "/") && !q.Matches(message.Request{Method: http.MethodPost, Path: "/" + s.Name}) {
		return false
	}
	if q.met != nil {
		return q.met[s.Trace]
	}
	return guess
}

// mostTold bounds the trace ids of an account: 1.6 MB, a line that a journal
// may hold. Whoever is beyond it has met the fault and is not counted.
const mostTold = 50_000

// Account implements [chaos.Accountant]: the trace ids of the requests that the
// relay has harmed.
func (q *routed) Account(ctx context.Context, s deploy.System) (string, error) {
	p, err := deploy.Power[deploy.Teller](s)
	if err != nil {
		return "", err
	}
	t, err := p.Touched(ctx, q.rule.ID)
	if err != nil {
		return "", err
	}
	// A journey makes several requests with one trace id.
	slices.Sort(t.Traces)
	all := slices.Compact(t.Traces)
	return strings.Join(all[:min(len(all), mostTold)], " "), nil
}

// Recall implements [chaos.Accountant].
func (q *routed) Recall(account string) error {
	met := map[collector.TraceID]bool{}
	for _, text := range strings.Fields(account) {
		b, err := hex.DecodeString(text)
		if err != nil || len(b) != len(collector.TraceID{}) {
			return fmt.Errorf("%.40q is no trace id", text)
		}
		met[collector.TraceID(b)] = true
	}
	q.met = met
	return nil
}
