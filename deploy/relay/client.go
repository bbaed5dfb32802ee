package relay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
)

// ErrRefused is wrapped by the error of a request that the relay has understood
// and not done, because something in it is wrong: asking again is no use.
var ErrRefused = errors.New("refused by the relay")

// A Client programs a running relay. It has the methods of [deploy.Shaper], and
// may be used by many goroutines at once.
type Client struct {
	base  string
	token string
	http  http.Client
}

// NewClient returns a client of the relay whose control port is at control, a
// host:port. It does not connect yet.
func NewClient(control, token string) *Client {
	return &Client{
		base:  "http://" + control,
		token: token,
		http: http.Client{
			// No proxy, and no connection kept: a dial on loopback takes a
			// tenth of a millisecond, and a client needs no closing then.
			Transport: &http.Transport{DisableKeepAlives: true},
			// The relay answers within [settle]; only a dead machine is
			// slower than this.
			Timeout: 10 * time.Second,
		},
	}
}

// Shape puts a rule in, in place of the one of the same ID. Live connections
// have changed over when it returns. On error nothing has changed; it wraps
// [ErrRefused] if the rule is wrong. To shape again what is already so only
// renews it.
func (c *Client) Shape(ctx context.Context, r deploy.Rule) error {
	if err := c.ask(ctx, http.MethodPost, "/rules", r, nil); err != nil {
		return fmt.Errorf("shaping %q: %w", r.ID, err)
	}
	return nil
}

// Unshape takes a rule out. Withheld bytes are on their way when it returns. An
// unknown ID is no error.
func (c *Client) Unshape(ctx context.Context, id string) error {
	if err := c.ask(ctx, http.MethodDelete, "/rules?id="+url.QueryEscape(id), nil, nil); err != nil {
		return fmt.Errorf("unshaping %q: %w", id, err)
	}
	return nil
}

// Rules returns the live rules in the order in which they came.
func (c *Client) Rules(ctx context.Context) ([]deploy.Rule, error) {
	var all []deploy.Rule
	if err := c.ask(ctx, http.MethodGet, "/rules", nil, &all); err != nil {
		return nil, fmt.Errorf("reading the relay's rules: %w", err)
	}
	return all, nil
}

// Renew is the controller's heartbeat: it extends the life of every live rule
// by its TTL from now.
func (c *Client) Renew(ctx context.Context) error {
	if err := c.ask(ctx, http.MethodPost, "/renew", nil, nil); err != nil {
		return fmt.Errorf("renewing the relay's rules: %w", err)
	}
	return nil
}

// SetUpstream says that an instance is down, or up again. While it is down the
// listeners to it are closed, so that its callers see a refused connection as
// they would without a relay. A link with live rules keeps its listener: there
// the refusal, a reset, meets the rules first. Live connections are left to the
// sockets of the instance itself. Idempotent.
func (c *Client) SetUpstream(ctx context.Context, instance string, up bool) error {
	if err := c.ask(ctx, http.MethodPut, "/upstream", upstreamState{Instance: instance, Up: &up}, nil); err != nil {
		return fmt.Errorf("telling the relay about %s: %w", instance, err)
	}
	return nil
}

// Stats returns what every link has carried, in the order of [Config.Edges].
func (c *Client) Stats(ctx context.Context) ([]LinkStats, error) {
	var all []LinkStats
	if err := c.ask(ctx, http.MethodGet, "/stats", nil, &all); err != nil {
		return nil, fmt.Errorf("reading the relay's statistics: %w", err)
	}
	return all, nil
}

// Touched returns what a rule has done to requests, also after it has gone.
func (c *Client) Touched(ctx context.Context, id string) (deploy.Touched, error) {
	var t deploy.Touched
	if err := c.ask(ctx, http.MethodGet, "/touched?id="+url.QueryEscape(id), nil, &t); err != nil {
		return t, fmt.Errorf("asking the relay what rule %s has done: %w", id, err)
	}
	return t, nil
}

// ask sends body, if any, and decodes the answer into v, if any.
func (c *Client) ask(ctx context.Context, method, path string, body, v any) error {
	var content io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, content)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	res, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		const line = 4 << 10 // bytes; the relay's refusals are one line
		text, _ := io.ReadAll(io.LimitReader(res.Body, line))
		err := fmt.Errorf("%s (%d)", strings.TrimSpace(string(text)), res.StatusCode)
		if res.StatusCode/100 == 4 {
			return fmt.Errorf("%w: %w", ErrRefused, err)
		}
		return err
	}
	if v == nil {
		return nil
	}
	if err := json.NewDecoder(res.Body).Decode(v); err != nil {
		return fmt.Errorf("decoding the relay's answer: %w", err)
	}
	return nil
}
