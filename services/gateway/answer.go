package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bedlamlab/bedlam/services/internal/call"
)

// degradedHeader names what was left out of an answer and what stands in its
// place, such as recommend=best-sellers.
const degradedHeader = "X-Degraded"

// A refusal is an answer that is no success, with a code for programs and a
// message for people.
type refusal struct {
	status  int
	retry   bool   // nothing was done: come again in a second
	Code    string `json:"error"`
	Message string `json:"message"`
	Order   string `json:"order,omitempty"`
	State   string `json:"state,omitempty"`
}

// Error implements error.
func (r refusal) Error() string { return r.Code + ": " + r.Message }

func invalid(message string) error {
	return refusal{status: http.StatusBadRequest, Code: "invalid", Message: message}
}

// answers says what a status of a service becomes in HTTP.
var answers = map[codes.Code]refusal{
	codes.InvalidArgument:    {status: http.StatusBadRequest, Code: "invalid"},
	codes.OutOfRange:         {status: http.StatusBadRequest, Code: "invalid"},
	codes.NotFound:           {status: http.StatusNotFound, Code: "not_found"},
	codes.AlreadyExists:      {status: http.StatusConflict, Code: "refused"},
	codes.FailedPrecondition: {status: http.StatusConflict, Code: "refused"},
	codes.Aborted:            {status: http.StatusServiceUnavailable, Code: "unavailable"},
	codes.Unavailable:        {status: http.StatusServiceUnavailable, Code: "unavailable"},
	codes.ResourceExhausted:  {status: http.StatusTooManyRequests, Code: "overloaded"},
	codes.DeadlineExceeded:   {status: http.StatusGatewayTimeout, Code: "deadline"},
	codes.Canceled:           {status: 499, Code: "cancelled"}, // the customer hung up: nobody reads this
}

// refusalOf says how a request failed. Retry-After is promised only if the
// request surely had no effect: it was shed, nobody was asked, or it only
// reads. A write that was sent may have happened; repeating it with the same
// key is safe, but it is the customer's decision.
func refusalOf(err error, writes bool) refusal {
	var known refusal
	if errors.As(err, &known) {
		return known
	}
	if errors.Is(err, errShed) || call.Unsent(err) {
		return refusal{status: http.StatusServiceUnavailable, retry: true, Code: "overloaded", Message: "the shop is too busy, please come again in a moment"}
	}
	st := status.Convert(err)
	r, ok := answers[st.Code()]
	if !ok {
		if errors.Is(err, context.DeadlineExceeded) {
			r = answers[codes.DeadlineExceeded]
		} else {
			r = refusal{status: http.StatusInternalServerError, Code: "internal"}
		}
	}
	r.retry = !writes && (r.status == http.StatusServiceUnavailable || r.status == http.StatusTooManyRequests)
	r.Message = st.Message()
	if r.status >= http.StatusInternalServerError {
		r.Message = "a part of the shop does not answer" // which one is not the customer's business
	}
	return r
}

// fail answers a request that cannot be answered as it was meant.
func (s *shop) fail(w http.ResponseWriter, r *http.Request, rt route, err error) {
	a := refusalOf(err, rt.writes)
	if a.status == http.StatusInternalServerError {
		s.log.ErrorContext(r.Context(), "request failed", "path", r.URL.Path, "error", err)
	}
	secure(w.Header(), rt.page)
	if a.retry {
		w.Header().Set("Retry-After", "1")
	}
	if rt.page {
		s.render(w, a.status, "refusal", page{Title: "Sorry", Body: a})
		return
	}
	writeJSON(w, a.status, a)
}

// writeJSON answers with a value.
func writeJSON(w http.ResponseWriter, code int, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		http.Error(w, `{"error":"internal","message":"the answer could not be written"}`, http.StatusInternalServerError)
		return
	}
	body = append(body, '\n')
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(code)
	_, _ = w.Write(body) // whoever hung up does not read errors either
}

// degrade declares that an answer is a lesser one.
func degrade(h http.Header, what, how string) {
	all := what + "=" + how
	if before := h.Get(degradedHeader); before != "" {
		if strings.Contains(before, all) {
			return
		}
		all = before + ", " + all
	}
	h.Set(degradedHeader, all)
}
