package toxiproxy

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/bedlamlab/bedlam/deploy/loopback"
	"github.com/bedlamlab/bedlam/deploy/relay"
)

const (
	// bodyLimit is the largest request, bytes: a thousand proxies.
	bodyLimit = 256 << 10
	// most bounds one change, whatever its client's patience: Toxiproxy itself
	// gives a request 25 s, and a relay that has to be started again is back in one.
	most = 25 * time.Second
)

// Address is where Toxiproxy's clients look for it.
const Address = "127.0.0.1:8474"

// Listen takes an address, a loopback IP or localhost and a port.
func Listen(address string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("%q is not host:port", address)
	}
	if host == "localhost" {
		address = net.JoinHostPort("127.0.0.1", port)
	}
	if err := loopback.Address(address); err != nil {
		return nil, fmt.Errorf("%s: %w: Toxiproxy knows no token, so that this is for this machine alone", address, err)
	}
	return net.Listen("tcp", address)
}

// Server returns a server of a's, which is for its caller to run and to close.
func (a *API) Server() *http.Server {
	return &http.Server{Handler: a, ReadTimeout: 15 * time.Second, WriteTimeout: most + 5*time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
}

// A refusal is what clients are told, and its status.
type refusal struct {
	status int
	error
}

func (r refusal) Unwrap() error { return r.error }

func refuse(status int, format string, args ...any) error {
	return refusal{status, fmt.Errorf(format, args...)}
}

// badBody refuses what cannot be read, without speaking of our own types.
func badBody(why error) error {
	if e := (*json.UnmarshalTypeError)(nil); errors.As(why, &e) {
		why = fmt.Errorf("%s cannot be: %s", cmp.Or(e.Field, "the whole"), e.Value)
	}
	return refuse(http.StatusBadRequest, "bad request body: %w", why)
}

// A complaint is a refusal as clients read it.
type complaint struct {
	Error  string `json:"error"`
	Status int    `json:"status"`
}

func complain(err error) complaint {
	status := http.StatusInternalServerError
	if r := (refusal{}); errors.As(err, &r) {
		status = r.status
	} else if errors.Is(err, relay.ErrRefused) {
		status = http.StatusBadRequest
	}
	return complaint{strings.ReplaceAll(err.Error(), "\n", "; "), status}
}

func (a *API) route() {
	a.mux = http.NewServeMux()
	for pattern, do := range map[string]action{
		"GET /version":                           version,
		"POST /reset":                            a.reset,
		"POST /populate":                         a.populate,
		"GET /proxies":                           a.listProxies,
		"POST /proxies":                          a.createProxy,
		"GET /proxies/{proxy}":                   a.showProxy,
		"POST /proxies/{proxy}":                  a.updateProxy,
		"PATCH /proxies/{proxy}":                 a.updateProxy,
		"DELETE /proxies/{proxy}":                a.deleteProxy,
		"GET /proxies/{proxy}/toxics":            a.listToxics,
		"POST /proxies/{proxy}/toxics":           a.createToxic,
		"GET /proxies/{proxy}/toxics/{toxic}":    a.showToxic,
		"POST /proxies/{proxy}/toxics/{toxic}":   a.updateToxic,
		"PATCH /proxies/{proxy}/toxics/{toxic}":  a.updateToxic,
		"DELETE /proxies/{proxy}/toxics/{toxic}": a.deleteToxic,
	} {
		a.mux.HandleFunc(pattern, a.serve(do))
	}
}

// ServeHTTP lets in who is on this machine and is no web page.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	why := loopback.Foreign(r)
	if why == "" && strings.HasPrefix(r.UserAgent(), "Mozilla/") {
		why = "browsers are not served" // by Toxiproxy neither
	}
	if why != "" {
		answer(w, http.StatusForbidden, complaint{why, http.StatusForbidden})
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, bodyLimit)
	a.mux.ServeHTTP(w, r)
}

// A request is what an action is given: the path's words and the body.
type request struct {
	proxy, toxic string
	body         []byte
}

// decode reads the body, which is one JSON value. Fields that nobody knows are
// left alone: clients send back what they were told.
func (q request) decode(v any) error {
	d := json.NewDecoder(bytes.NewReader(q.body))
	if err := d.Decode(v); err != nil {
		return badBody(err)
	}
	if _, err := d.Token(); err != io.EOF {
		return badBody(errors.New("something follows the JSON value"))
	}
	return nil
}

// An action does one thing and returns what is answered: a status, and a body
// that is JSON unless it is nil.
type action func(ctx context.Context, q request) (status int, body any, err error)

// serve answers with what an action comes to.
func (a *API) serve(do action) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			status := http.StatusBadRequest
			if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
				status = http.StatusRequestEntityTooLarge
			}
			answer(w, status, complaint{"bad request body: " + err.Error(), status})
			return
		}
		// A client that goes away does not stop it half-way.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), most)
		defer cancel()
		status, v := a.one(ctx, request{r.PathValue("proxy"), r.PathValue("toxic"), body}, do)
		answer(w, status, v)
	}
}

// one does one action at a time, and writes its answer before the next one can
// change what it speaks of.
func (a *API) one(ctx context.Context, q request, do action) (status int, body any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		do = ending
	}
	if !a.lost && a.lease() != nil {
		// What the guard has lifted behind our back is not to be shown.
		_, _, err := a.reset(ctx, q)
		a.lost = err == nil
	}
	status, v, err := do(ctx, q)
	if err != nil {
		c := complain(err)
		if status = c.Status; v == nil {
			v = c
		}
	}
	if v == nil {
		return status, nil
	}
	b, err := json.Marshal(v)
	if err != nil { // a value of ours: a mistake here
		return http.StatusInternalServerError, complaint{err.Error(), http.StatusInternalServerError}
	}
	return status, json.RawMessage(b)
}

func ending(context.Context, request) (int, any, error) {
	return 0, nil, refuse(http.StatusServiceUnavailable, "the run is ending")
}

func answer(w http.ResponseWriter, status int, v any) {
	if v == nil {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v) // an error means that the asker is gone
}
