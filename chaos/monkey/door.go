package monkey

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/bedlamlab/bedlam/deploy/loopback"
)

// NewToken draws a token: 256 bits, as text for a header.
func NewToken() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// Listen listens where a monkey may be told things: on a loopback address and
// a port (0 takes a free one), or on a Unix socket, "unix:PATH", that only its
// owner can open. Anything else is refused.
func Listen(address string) (net.Listener, error) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return listenUnix(path)
	}
	if err := loopback.Address(address); err != nil {
		return nil, fmt.Errorf("%q is no address to be told things at, whoever reached it could break the system: %w; want 127.0.0.1:PORT or unix:PATH", address, err)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("the control API cannot listen on %s: %w", address, err)
	}
	return l, nil
}

func listenUnix(path string) (net.Listener, error) {
	if path == "" {
		return nil, errors.New("unix: names no file")
	}
	// A monkey that was killed leaves its socket; one that answers is somebody's.
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() == os.ModeSocket {
		if c, err := net.Dial("unix", path); err == nil {
			c.Close()
			return nil, fmt.Errorf("somebody listens on %s already", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("the control API cannot listen on %s: %w", path, err)
	}
	// Until here nobody without the token gets further than a refusal.
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// Control returns the server of a monkey's control API for a listener of
// [Listen]. It answers nobody who has not got the token, nor whom
// [loopback.Foreign] tells of.
func Control(m *Monkey, token string) *http.Server {
	door := door{token: sha256.Sum256([]byte(token)), in: m.handler()}
	return &http.Server{Handler: door, MaxHeaderBytes: 16 << 10, DisableGeneralOptionsHandler: true,
		// Who is slow is no person on this machine; an injection and a halt
		// take ten seconds at most.
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute}
}

// A door lets in who may.
type door struct {
	token [sha256.Size]byte
	in    http.Handler
}

// ServeHTTP implements [http.Handler].
func (d door) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'")
	foreign := loopback.Foreign(q)
	switch {
	case foreign != "":
		d.shut(w, http.StatusForbidden, foreign)
	case !d.knows(q):
		h.Set("WWW-Authenticate", `Bearer realm="bedlam monkey"`)
		d.shut(w, http.StatusUnauthorized, "no token, or a wrong one")
	case q.ContentLength > maxBody:
		d.shut(w, http.StatusRequestEntityTooLarge, "the body is too large: at most 64 KiB")
	default:
		q.Body = http.MaxBytesReader(w, q.Body, maxBody)
		d.in.ServeHTTP(w, q)
	}
}

// shut refuses, and hangs up: what follows on the connection is not read.
func (d door) shut(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Connection", "close")
	refuse(w, code, text)
}

// knows compares tokens in a time that says nothing of them.
func (d door) knows(q *http.Request) bool {
	words := q.Header.Values("Authorization")
	if len(words) != 1 {
		return false
	}
	kind, token, ok := strings.Cut(words[0], " ")
	sum := sha256.Sum256([]byte(token))
	return ok && strings.EqualFold(kind, "Bearer") && subtle.ConstantTimeCompare(sum[:], d.token[:]) == 1
}
