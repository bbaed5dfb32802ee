package docker

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/moby/moby/client"

	"github.com/bedlamlab/bedlam/deploy"
)

// TestDesertedNetwork has a daemon that keeps a network in which nothing
// stands, as one does that has lost count: the sweep ends all the same. While
// something stands in it, the sweep goes on.
func TestDesertedNetwork(t *testing.T) {
	for _, c := range []struct {
		name, containers string
		status           int // that a removal is answered with
		deserted         bool
	}{
		{"lost count", `{}`, http.StatusForbidden, true},
		{"somebody stands in it", `{"c1":{"Name":"payment-1"}}`, http.StatusForbidden, false},
		{"the daemon is ill", `{}`, http.StatusInternalServerError, false},
		{"it goes", `{}`, http.StatusNoContent, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := playing(t, func(w http.ResponseWriter, r *http.Request) {
				switch {
				case strings.HasSuffix(r.URL.Path, "/_ping"):
					w.Header().Set("Api-Version", oldest)
				case r.Method == http.MethodDelete:
					w.Header().Set("Content-Type", "application/json")
					w.WriteHeader(c.status)
					if c.status >= 400 {
						fmt.Fprint(w, `{"message":"network n1 has active endpoints"}`)
					}
				case strings.HasSuffix(r.URL.Path, "/networks/n1"):
					w.Header().Set("Content-Type", "application/json")
					fmt.Fprintf(w, `{"Id":"n1","Name":"n1","Containers":%s}`, c.containers)
				case strings.HasSuffix(r.URL.Path, "/networks"):
					w.Header().Set("Content-Type", "application/json")
					fmt.Fprintf(w, `[{"Id":"n1","Name":"n1","Labels":{%q:"dead"}}]`, deploy.LabelRun)
				case strings.HasSuffix(r.URL.Path, "/volumes"):
					w.Header().Set("Content-Type", "application/json")
					fmt.Fprint(w, `{"Volumes":[]}`)
				default: // containers
					w.Header().Set("Content-Type", "application/json")
					fmt.Fprint(w, `[]`)
				}
			})
			if got := d.deserted(t.Context(), []string{"n1"}); got != c.deserted {
				t.Errorf("deserted: %t", got)
			}
			if c.deserted {
				if err := d.sweep(t.Context(), "dead"); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// playing is a daemon that answers as play does.
func playing(t *testing.T, play http.HandlerFunc) *daemon {
	t.Helper()
	l, host := socket(t)
	s := httptest.NewUnstartedServer(play)
	s.Listener.Close()
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
	api, err := client.New(client.WithHost(host), client.WithAPIVersion(oldest))
	if err != nil {
		t.Fatal(err)
	}
	d := &daemon{api: api}
	t.Cleanup(func() { d.close() })
	return d
}
