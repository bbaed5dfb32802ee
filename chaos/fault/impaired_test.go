package fault_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/fault"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/observability/collector"
)

// An engine may have the power, and yet not be able to do this with it: that is
// said before anything is touched.
func TestSupportedAsks(t *testing.T) {
	s := newFake()
	s.refuse["can packet_loss"] = fmt.Errorf("no network of its own: %w", errors.ErrUnsupported)
	r := chaos.Resolved{ID: "x/1", Action: "packet_loss", Instances: []string{"back-1"}, Args: chaos.RawArgs(samples["packet_loss"])}
	if err := fault.Supported(r, wrapped{s}); !errors.Is(err, errors.ErrUnsupported) || !strings.HasPrefix(err.Error(), "packet_loss: no network of its own") {
		t.Errorf("got %v", err)
	}
	if len(s.calls) > 0 {
		t.Errorf("although it cannot, it did %q", s.calls)
	}
}

// A lift that the kernel does not show is none.
func TestImpairmentsAreReadBack(t *testing.T) {
	s := newFake()
	f := built(t, "packet_loss", samples["packet_loss"], "back-1")
	if err := f.Inject(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if got := s.impairments; len(got) != 1 || got[0].Kind != "packet_loss" || string(got[0].Args) != `{"loss":10}` || got[0].Instances[0] != "back-1" {
		t.Errorf("the engine is asked for %+v", got)
	}
	s.sticky = true
	if err := f.Lift(t.Context(), s); err == nil || !strings.Contains(err.Error(), "the kernel still shows it") {
		t.Errorf("got %v", err)
	}
	s.refuse["impairments of x/1"] = errBroken
	if err := f.Lift(t.Context(), s); !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
}

// What cannot be read of another harm, whose victim is frozen, keeps nobody from
// being lifted.
func TestOthersAreNotReadBack(t *testing.T) {
	s := newFake()
	f := built(t, "packet_loss", samples["packet_loss"], "back-1")
	if err := f.Inject(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	s.refuse["impairments"] = errBroken
	if err := f.Lift(t.Context(), s); err != nil {
		t.Errorf("got %v", err)
	}
}

// Without somebody who is not harmed, nothing is proven.
func TestPacketsNeedAControl(t *testing.T) {
	s := newFake()
	s.address = "127.0.0.1:1"
	var all []string
	for _, in := range shop().Instances() {
		all = append(all, in.Name)
	}
	for _, action := range []string{"packet_delay", "packet_loss", "packet_partition", "packet_bandwidth"} {
		p := built(t, action, samples[action], all...).(chaos.Prober)
		if saw, err := p.Probe(t.Context(), s, true); err == nil || !strings.Contains(err.Error(), "every instance is harmed") {
			t.Errorf("%s: the probe saw %q, %v", action, saw, err)
		}
	}
}

func TestPacketsMet(t *testing.T) {
	call := func(from, to string, took time.Duration, failed bool) collector.Span {
		begin := time.Unix(1, 0)
		return collector.Span{Instance: from, PeerInstance: to, Start: begin, End: begin.Add(took), Error: failed}
	}
	const ms = time.Millisecond
	for _, c := range []struct {
		action string
		span   collector.Span
		met    bool
	}{
		{"packet_delay", call("front-1", "back-1", 80*ms, false), true},
		{"packet_delay", call("front-1", "back-1", 79*ms, false), false},
		{"packet_delay", call("back-1", "db-1", 90*ms, false), true}, // the answer arrives late
		{"packet_delay", call("back-1", "", 90*ms, false), false},
		{"packet_delay", call("front-1", "back-2", 90*ms, true), false},
		{"packet_loss", call("front-1", "back-1", 200*ms, false), true},
		{"packet_loss", call("front-1", "back-1", 100*ms, false), false},
		{"packet_loss", call("front-1", "back-1", ms, true), true},
		{"packet_corrupt", call("front-1", "back-1", 200*ms, false), true},
		{"packet_corrupt", call("front-1", "back-2", 200*ms, true), false},
		{"packet_partition", call("front-1", "back-1", ms, true), true},
		{"packet_partition", call("front-1", "back-1", time.Second, false), false},
		{"packet_bandwidth", call("back-1", "db-1", 30*ms, false), true}, // a segment at 64KB/s
		{"packet_bandwidth", call("back-1", "db-1", 20*ms, false), false},
	} {
		w := built(t, c.action, samples[c.action], "back-1").(chaos.Witnessed)
		if got := w.Met(c.span); got != c.met {
			t.Errorf("%s: %s to %s in %s, failed %t: met %t", c.action, c.span.Instance, c.span.PeerInstance, c.span.Duration(), c.span.Error, got)
		}
	}
}

var _ deploy.Impairer = (*fake)(nil)
