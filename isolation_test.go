package bedlam

import (
	"errors"
	"testing"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy/cell"
)

func TestIsolated(t *testing.T) {
	can := "none"
	if cell.Try() == nil {
		can = "full"
	}
	plain := chaos.Experiment{Method: []chaos.Step{{Spec: chaos.Spec{Action: "kill"}}}}
	packets := chaos.Experiment{Method: []chaos.Step{{Spec: chaos.Spec{Action: "kill"}}, {Spec: chaos.Spec{Action: "packet_loss"}}}}
	memory := chaos.Experiment{Method: []chaos.Step{{Spec: chaos.Spec{Action: "oom"}}}}
	lost := chaos.Experiment{Method: []chaos.Step{{Spec: chaos.Spec{Action: "kill"}}, {Spec: chaos.Spec{Action: "dns_failure"}}}}
	for _, c := range []struct {
		engine, asked string
		experiments   []chaos.Experiment
		want          string
		names         bool
	}{
		{"process", "", nil, "none", false},
		{"process", "auto", []chaos.Experiment{plain}, "none", false},
		{"process", "auto", []chaos.Experiment{plain, packets}, can, false},
		{"process", "", []chaos.Experiment{memory}, can, false},
		{"process", "", []chaos.Experiment{plain, lost}, can, true},
		{"process", "none", []chaos.Experiment{packets}, "none", false},
		{"docker", "", []chaos.Experiment{packets}, "", false},
	} {
		o, err := Options{Engine: c.engine, Isolation: c.asked}.isolated()
		if err == nil {
			o, err = o.isolated(c.experiments...) // when they are known
		}
		if err != nil || o.Isolation != c.want || o.names != c.names {
			t.Errorf("%s, %q: got %q, names %t, %v; want %q, %t", c.engine, c.asked, o.Isolation, o.names, err, c.want, c.names)
		}
	}
	for _, o := range []Options{{Engine: "docker", Isolation: "full"}, {Engine: "process", Isolation: "some"}, {Engine: attached, Isolation: "none"}} {
		if _, err := o.isolated(); !errors.Is(err, ErrUsage) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if _, err := (Options{Engine: "process", Isolation: "full"}).isolated(); (err == nil) != (can == "full") {
		t.Errorf("full: %v", err)
	}
}
