package loadgen

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"github.com/bedlamlab/bedlam/loadgen/internal/http1"
)

// untrue is the reason of an answer that came but cannot be so.
const untrue = "untrue"

// hungUp is the reason of a request that its customer did not wait for.
const hungUp = "hung_up"

// fail fills in the outcome of a request without an answer. What was not sent
// had no effect, and a read has none that could be unknown; a write that was
// sent may or may not have happened.
func (r *Request) fail(err error) {
	var e *http1.Error
	if !errors.As(err, &e) {
		e = &http1.Error{Sent: true, Reason: "error"}
	}
	r.Outcome, r.Reason = Failed, e.Reason
	if e.Sent && writes(r.Class) {
		r.Outcome = Unknown
	}
}

// A refusal is the body of an answer that is no success.
type refusal struct {
	Error string `json:"error"`
	Order string `json:"order"`
}

// classify fills in the outcome that the status alone decides.
//
//	2xx                       ok, or degraded if it says so; the meaning is checked after this
//	402, 409                  an honest refusal if it names one: declined, sold_out, empty_cart
//	429, 503 with Retry-After failed: shed, without effect
//	other 429                 unknown for a write, which may have been sent on before it was refused; failed for a read
//	other 4xx, 3xx            failed, with the shop's own code
//	other 5xx                 unknown for a write, failed for a read
func (r *Request) classify(a *http1.Answer) {
	r.Status = a.Status
	r.Bytes = int64(len(a.Body))
	switch s := a.Status; {
	case s >= 200 && s < 300:
		r.Outcome = OK
		if a.Degraded != "" {
			r.Outcome, r.Reason = Degraded, tidy(a.Degraded, "degraded")
		}
		return
	case (s == 503 || s == 429) && a.RetryAfter:
		r.Outcome, r.Reason = Failed, "shed"
		return
	case s >= 500:
		r.Outcome, r.Reason = Failed, "http_"+strconv.Itoa(s)
		if writes(r.Class) {
			r.Outcome = Unknown
		}
		return
	}
	var b refusal
	_ = json.Unmarshal(a.Body, &b) // a body that is no JSON leaves the status to speak
	r.Outcome, r.Reason = Failed, tidy(b.Error, "http_"+strconv.Itoa(a.Status))
	if r.Order == "" {
		r.Order = b.Order
	}
	switch {
	case a.Status == 429 && writes(r.Class):
		r.Outcome = Unknown
	case a.Status == 402 && r.Reason == "declined",
		a.Status == 409 && (r.Reason == "sold_out" || r.Reason == "empty_cart"):
		r.Outcome = OK
	}
}

// deny takes back an answer that cannot be true.
func (r *Request) deny() { r.Outcome, r.Reason = Failed, untrue }

// tidy returns text if it can serve as a reason, else instead.
func tidy(text, instead string) string {
	if text == "" || len(text) > 120 {
		return instead
	}
	text = strings.ToLower(text)
	for _, c := range []byte(text) {
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		case c == '_' || c == '-' || c == '=' || c == ',' || c == '.' || c == ';' || c == ' ':
		default:
			return instead
		}
	}
	return text
}
