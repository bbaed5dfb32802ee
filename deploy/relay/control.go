package relay

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/loopback"
)

// bodyLimit is the largest request: a rule for ten thousand links with long
// names needs about this much.
const bodyLimit = 2 << 20

// A control is the relay's control plane:
//
//	POST   /rules            a deploy.Rule: put it in, in place of the one of its ID
//	GET    /rules            the live rules
//	DELETE /rules?id=ID      take a rule out; there may be none
//	POST   /renew            extend the life of every rule
//	PUT    /upstream         {"instance": "payment-2", "up": false}
//	GET    /stats            what every link has carried
//	GET    /touched?id=ID    the requests that a rule has harmed
//
// Every answer but a list is empty; every refusal is one line of text.
type control struct {
	network *network
	token   string
	mux     *http.ServeMux
}

func newControl(n *network, token string) http.Handler {
	c := &control{network: n, token: token, mux: http.NewServeMux()}
	c.mux.HandleFunc("POST /rules", c.shape)
	c.mux.HandleFunc("GET /rules", func(w http.ResponseWriter, _ *http.Request) { answer(w, c.network.list()) })
	c.mux.HandleFunc("DELETE /rules", c.unshape)
	c.mux.HandleFunc("POST /renew", func(w http.ResponseWriter, _ *http.Request) {
		c.network.renew()
		w.WriteHeader(http.StatusNoContent)
	})
	c.mux.HandleFunc("PUT /upstream", c.upstream)
	c.mux.HandleFunc("GET /stats", func(w http.ResponseWriter, _ *http.Request) { answer(w, c.network.stats()) })
	c.mux.HandleFunc("GET /touched", func(w http.ResponseWriter, r *http.Request) { answer(w, c.network.touched(r.URL.Query().Get("id"))) })
	return c
}

// ServeHTTP lets in who holds the token and is no web page.
func (c *control) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	why := loopback.Foreign(r)
	switch {
	case why != "":
		http.Error(w, why, http.StatusForbidden)
	case subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte("Bearer "+c.token)) != 1:
		w.Header().Set("WWW-Authenticate", "Bearer")
		http.Error(w, "missing or wrong token", http.StatusUnauthorized)
	default:
		r.Body = http.MaxBytesReader(w, r.Body, bodyLimit)
		c.mux.ServeHTTP(w, r)
	}
}

func (c *control) shape(w http.ResponseWriter, r *http.Request) {
	var rule deploy.Rule
	if decodeBody(w, r, &rule) {
		done(w, c.network.shape(rule))
	}
}

func (c *control) unshape(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("id")
	if id == "" {
		http.Error(w, "which rule? want ?id=", http.StatusBadRequest)
		return
	}
	done(w, c.network.unshape(id))
}

// An upstreamState says whether an instance is up.
type upstreamState struct {
	Instance string `json:"instance"`
	Up       *bool  `json:"up"`
}

func (c *control) upstream(w http.ResponseWriter, r *http.Request) {
	var s upstreamState
	if !decodeBody(w, r, &s) {
		return
	}
	if s.Up == nil {
		http.Error(w, "up is missing", http.StatusBadRequest)
		return
	}
	done(w, c.network.setUpstream(s.Instance, *s.Up))
}

// decodeBody answers for itself what it cannot decode.
func decodeBody(w http.ResponseWriter, r *http.Request, v any) bool {
	data, err := io.ReadAll(r.Body)
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		http.Error(w, "the request is too large", http.StatusRequestEntityTooLarge)
		return false
	}
	if err == nil {
		err = decodeStrict(data, v)
	}
	if err != nil {
		http.Error(w, "cannot read the request: "+err.Error(), http.StatusBadRequest)
		return false
	}
	return true
}

func done(w http.ResponseWriter, err error) {
	refused := refusal{}
	switch {
	case err == nil:
		w.WriteHeader(http.StatusNoContent)
	case errors.As(err, &refused):
		http.Error(w, err.Error(), http.StatusBadRequest)
	default:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v) // an error means that the asker is gone
}
