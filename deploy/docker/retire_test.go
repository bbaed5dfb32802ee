package docker

import (
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
)

// A network that a sweep had to leave goes when the daemon lets go of it; no
// other does.
func TestDesertedNetworksAreRetired(t *testing.T) {
	network := func(name, run string, age time.Duration) string {
		return fmt.Sprintf(`{"Id":%q,"Name":%[1]q,"Created":%q,"Labels":{%q:%q}}`, name, time.Now().Add(-age).UTC().Format(time.RFC3339Nano), deploy.LabelRun, run)
	}
	all := []string{
		network("bedlam-dead", "dead", 2*idle), network("bedlam-new", "new", idle/2), network("bedlam-live", "live", 2*idle),
		network("somebodys", "gone", 2*idle), network("bedlam-", "", 2*idle),
	}
	var removed []string
	d := playing(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		run := func(entry string) bool { return strings.Contains(r.FormValue("filters"), "="+entry+`"`) }
		switch {
		case r.Method == http.MethodDelete:
			removed = append(removed, path.Base(r.URL.Path))
			w.WriteHeader(http.StatusNoContent)
		case strings.HasSuffix(r.URL.Path, "/networks"):
			fmt.Fprintf(w, "[%s]", strings.Join(slices.DeleteFunc(slices.Clone(all), func(n string) bool {
				return r.FormValue("filters") != "" && strings.Contains(r.FormValue("filters"), "=") && !slices.ContainsFunc([]string{"dead", "new", "live", "gone"}, func(name string) bool {
					return run(name) && strings.Contains(n, `:"`+name+`"`)
				})
			}), ","))
		case strings.HasSuffix(r.URL.Path, "/volumes"):
			fmt.Fprint(w, `{"Volumes":[]}`)
		case run("live"): // it has a container that does not run
			fmt.Fprintf(w, `[{"Id":"c1","Names":["/bedlam-live-front-1"],"State":"exited","Labels":{%q:"live",%q:"front-1"}}]`, deploy.LabelRun, deploy.LabelInstance)
		default:
			fmt.Fprint(w, `[]`)
		}
	})
	d.retireNetworks(t.Context())
	if !slices.Equal(removed, []string{"bedlam-dead"}) {
		t.Errorf("it removed %v, want bedlam-dead alone", removed)
	}
}
