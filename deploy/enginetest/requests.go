package enginetest

import (
	"io"
	"net/http"
	"net/http/httptrace"
	"slices"
	"testing"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/topology"
)

// aware are the links of a plan whose requests may be harmed.
var aware = []topology.Link{link(loader, "front-2")}

// requests harms requests, one by one, on a link that the plan has named for
// it: the connection that they are on is not harmed, neither by the rule nor by
// its end, and the engine tells which requests it were.
func requests(t *testing.T, f *fixture) {
	teller := power[deploy.Teller](t, f)
	client := &http.Transport{}
	defer client.CloseIdleConnections()
	const trace = "0af7651916cd43dd8448eb211c80319c"
	ask := func(want int, reused bool) {
		t.Helper()
		ctx := httptrace.WithClientTrace(within(t), &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
			if i.Reused != reused {
				t.Errorf("the connection is one of before: %t, want %t", i.Reused, reused)
			}
		}})
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+f.address(t, loader, "front-2")+"/who", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Traceparent", "00-"+trace+"-b7ad6b7169203331-01")
		answer, err := client.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != want {
			t.Errorf("%s, %v, want %d", answer.Status, err, want)
		}
	}
	ask(http.StatusOK, false)
	r := rule("enginetest/abort", "abort", `{"method":"GET","path":"/wh*","status":418}`, aware[0])
	shaped(t, f, r, func() {
		ask(http.StatusTeapot, true)
		if err := get(within(t), f.address(t, "", "front-2"), "/who", nil); err != nil {
			t.Errorf("past the relay: %v", err)
		}
	})
	ask(http.StatusOK, true)
	told, err := teller.Touched(within(t), r.ID)
	if err != nil || told.Requests != 1 || !slices.Equal(told.Traces, []string{trace}) {
		t.Errorf("it tells of %+v, %v, want one request and its trace", told, err)
	}
	if told, err := teller.Touched(within(t), "enginetest/never"); err != nil || told.Requests != 0 {
		t.Errorf("of a rule that never was it tells %+v, %v", told, err)
	}
}
