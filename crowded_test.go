package bedlam

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/fault"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/loadgen"
	"github.com/bedlamlab/bedlam/services"
	"github.com/bedlamlab/bedlam/topology"
)

// A paper system has a topology and nothing else.
type paper struct{}

func (paper) Topology() topology.System              { return services.Shop() }
func (paper) Address(string, string) (string, error) { return "", errors.New("nobody is there") }
func (paper) Down(context.Context) error             { return nil }

// TestASystemWithCustomersCanHaveMore has a fault bring prefetches to one of two
// gateways, over real sockets, see them come, and send them away; and it has the
// same fault lifted where there are no customers, as by who heals the run.
func TestASystemWithCustomersCanHaveMore(t *testing.T) {
	guesses := make(chan string, 1<<16) // at which gateway
	gateway := func(name string) loadgen.Gateway {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Sec-Purpose") == "prefetch" {
				guesses <- name
			}
			sku := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
			fmt.Fprintf(w, `{"sku":%q,"price":100,"featured":[{"sku":"P00001","price":100}]}`, sku)
		}))
		t.Cleanup(s.Close)
		return loadgen.Gateway{Instance: name, Address: s.Listener.Addr().String()}
	}
	g, err := loadgen.Start(t.Context(), loadgen.Config{Run: "r", Seed: 1, Rate: 20, Products: []string{"P00001", "P00002"},
		Gateways: []loadgen.Gateway{gateway("gateway-1"), gateway("gateway-2")}})
	if err != nil {
		t.Fatal(err)
	}
	r := chaos.Resolved{ID: "x/1", Action: "surge", Args: chaos.RawArgs(`{"factor":12,"kind":"prefetch"}`), Instances: []string{"gateway-2"}, Seed: 3}
	f, err := fault.Build(r)
	if err != nil {
		t.Fatal(err)
	}
	var s deploy.System = &crowded{System: paper{}, load: g}
	if err := fault.Supported(r, s); err != nil {
		t.Fatal(err)
	}
	if err := fault.Supported(r, paper{}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a system without customers: %v", err)
	}
	if err := f.Inject(t.Context(), &crowded{System: paper{}}); err == nil || !strings.Contains(err.Error(), "no customers yet") {
		t.Errorf("before the customers: %v", err)
	}
	if err := f.Inject(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	probe := f.(chaos.Prober).Probe
	for {
		if at := <-guesses; at != "gateway-2" {
			t.Fatalf("they come to %s", at)
		}
		if saw, err := probe(t.Context(), s, true); err == nil {
			t.Log(saw)
			break
		}
	}
	for _, on := range []deploy.System{paper{}, s, s} { // the first is who heals
		if err := f.Lift(t.Context(), on); err != nil {
			t.Fatal(err)
		}
	}
	if saw, err := probe(t.Context(), s, false); err != nil {
		t.Errorf("saw %q, %v", saw, err)
	}
	if err := g.Drain(t.Context()); err != nil { // whose requests are still on their way
		t.Fatal(err)
	}
	if d, _ := g.Surged("x/1"); d.On || d.Answered != d.Sent {
		t.Errorf("some were not answered: %+v", d)
	}
}
