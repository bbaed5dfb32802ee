package relay

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
	"unicode"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/loopback"
	"github.com/bedlamlab/bedlam/topology"
)

// An Edge is one listener: the way from one caller instance to one callee instance.
type Edge struct {
	Link     topology.Link     `json:"link"`
	Protocol topology.Protocol `json:"protocol"`
	Listen   string            `json:"listen"`   // host:port; with port 0 the kernel picks one, see [LinkStats]
	Upstream string            `json:"upstream"` // host:port of the callee itself
	// Aware has every connection of the edge read from its first byte, so that
	// rules about requests can come and go without closing any. An edge that
	// is not aware gets such a rule too, but loses its live connections to it.
	Aware bool `json:"aware,omitempty"`
}

// A Config is everything that a relay is told at its start.
type Config struct {
	Control string `json:"control"` // host:port on loopback; port 0 lets the kernel pick
	// Exposed lets Control stand off loopback: in a container, whose loopback
	// nobody else reaches. Requests must still be addressed to a loopback
	// address, which is where the container's port is published, and still
	// need the token, which is what keeps its neighbours out.
	Exposed bool          `json:"exposed,omitempty"`
	Token   string        `json:"token"` // bearer token of the control port, at least 16 bytes
	Edges   []Edge        `json:"edges"`
	Rules   []deploy.Rule `json:"rules,omitempty"` // live from the start: the state of the relay before this one
	// Names has the relay answer for the addresses of its links; nil: callers
	// are told them, and there are no names to harm.
	Names *Names `json:"names,omitempty"`
}

const (
	// leastTTL is the shortest life of a rule: a controller renews a few times
	// in it, and must survive a pause of the machine's.
	leastTTL = time.Second
	// longestID and mostLinks bound a rule to what the largest topology needs
	// many times over.
	longestID = 256
	mostLinks = 10_000
	// leastToken is 128 bits in the densest spelling, bytes.
	leastToken = 16
)

// decodeConfig reads one JSON value; what follows it is left alone, so that the
// reader may be a pipe that stays open.
func decodeConfig(r io.Reader) (Config, error) {
	const most = 16 << 20 // bytes; a thousand instances, each calling fifty, need half of it
	var c Config
	d := json.NewDecoder(io.LimitReader(r, most))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return Config{}, fmt.Errorf("reading the relay's configuration: %w", err)
	}
	if err := c.validate(); err != nil {
		return Config{}, fmt.Errorf("relay's configuration: %w", err)
	}
	return c, nil
}

func (c Config) validate() error {
	if err := loopback.Address(c.Control); err != nil && !c.Exposed {
		return fmt.Errorf("control address %.100q: %w", c.Control, err)
	}
	if len(c.Token) < leastToken || strings.ContainsFunc(c.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fmt.Errorf("the token must be at least %d printable characters without spaces", leastToken)
	}
	seen := map[topology.Link]bool{}
	for _, e := range c.Edges {
		switch {
		case e.Link.From == "" || e.Link.To == "":
			return fmt.Errorf("edge %.100q names no caller or no callee", e.Link.String())
		case seen[e.Link]:
			return fmt.Errorf("edge %.100q stands twice", e.Link.String())
		}
		seen[e.Link] = true
		switch e.Protocol {
		case topology.HTTP, topology.GRPC, topology.Postgres:
		default:
			return fmt.Errorf("edge %.100q: unknown protocol %.40q", e.Link.String(), string(e.Protocol))
		}
		if e.Aware && e.Protocol == topology.Postgres {
			return fmt.Errorf("edge %.100q: %w", e.Link.String(), errNoRequests)
		}
		for _, a := range []string{e.Listen, e.Upstream} {
			if _, _, err := net.SplitHostPort(a); err != nil {
				return fmt.Errorf("edge %.100q: %.100q is not host:port", e.Link.String(), a)
			}
		}
	}
	if c.Names != nil {
		return c.Names.validate()
	}
	return nil
}

// decodeRule checks a rule but for its links being known, puts it into its
// plain form (direction named, arguments compact) and returns what it does.
func decodeRule(r *deploy.Rule) (harm, error) {
	switch {
	case r.ID == "" || len(r.ID) > longestID || strings.ContainsFunc(r.ID, unicode.IsControl):
		return nil, refuse("a rule's id must be 1 to %d bytes without control characters", longestID)
	case len(r.Links) == 0:
		return nil, refuse("rule %q names no link", r.ID)
	case len(r.Links) > mostLinks:
		return nil, refuse("rule %q names more than %d links", r.ID, mostLinks)
	case r.TTL.D() < leastTTL:
		return nil, refuse("rule %q has a TTL of %v, want at least %v", r.ID, r.TTL, leastTTL)
	case !(r.Toxicity >= 0 && r.Toxicity <= 1):
		return nil, refuse("rule %q has a toxicity of %v, want above 0 and at most 1, or none", r.ID, r.Toxicity)
	}
	seen := make(map[topology.Link]bool, len(r.Links))
	for _, l := range r.Links {
		if seen[l] {
			return nil, refuse("rule %q names link %.100q twice", r.ID, l.String())
		}
		seen[l] = true
	}
	switch r.Direction {
	case "":
		r.Direction = deploy.Both
	case deploy.To, deploy.From, deploy.Both:
	default:
		return nil, refuse("rule %q: unknown direction %.40q (want to, from or both)", r.ID, string(r.Direction))
	}
	k, known := kinds[r.Kind]
	if !known {
		var names []string
		for _, k := range Kinds() {
			names = append(names, k.Name)
		}
		return nil, refuse("rule %q: unknown kind %.40q (want %s)", r.ID, r.Kind, strings.Join(names, ", "))
	}
	h, err := k.decode(*r)
	if err != nil {
		return nil, refuse("rule %q: %s: %w", r.ID, r.Kind, err)
	}
	var plain bytes.Buffer
	if len(r.Args) > 0 {
		if err := json.Compact(&plain, r.Args); err != nil {
			return nil, refuse("rule %q: arguments: %w", r.ID, err)
		}
		r.Args = plain.Bytes()
	}
	return h, nil
}

// decodeArgs decodes a kind's arguments; none at all are an empty object.
func decodeArgs(args json.RawMessage, v any) error {
	if len(args) == 0 || string(args) == "null" {
		return nil
	}
	if err := decodeStrict(args, v); err != nil {
		return fmt.Errorf("arguments: %w", err)
	}
	return nil
}

// decodeStrict decodes exactly one JSON value without unknown fields.
func decodeStrict(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows the JSON value")
	}
	return nil
}
