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
	step := func(action string) chaos.Step { return chaos.Step{Spec: chaos.Spec{Action: action}} }
	plain := chaos.Experiment{Method: []chaos.Step{step("kill"), step("clock_skew"), step("file_descriptors")}}
	packets := chaos.Experiment{Method: []chaos.Step{step("kill"), step("packet_loss")}}
	memory := chaos.Experiment{Method: []chaos.Step{step("oom")}}
	lost := chaos.Experiment{Method: []chaos.Step{step("kill"), step("dns_failure")}}
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
		{"docker", "", []chaos.Experiment{plain, lost}, "", true},
	} {
		o, err := Options{Engine: c.engine, Isolation: c.asked}.isolated()
		if err == nil {
			o, err = o.isolated(actionsOf(c.experiments)...) // when they are known
		}
		if err != nil || o.Isolation != c.want || o.names != c.names {
			t.Errorf("%s, %q: got %q, names %t, %v; want %q, %t", c.engine, c.asked, o.Isolation, o.names, err, c.want, c.names)
		}
	}
	slow := chaos.Experiment{Method: []chaos.Step{{Spec: chaos.Spec{Action: "kill"}}, {Spec: chaos.Spec{Action: "disk_slow"}}}}
	for _, c := range []struct {
		asked       string
		experiments []chaos.Experiment
		isolation   string
		disks       bool
	}{
		{"", []chaos.Experiment{plain}, "none", false},
		{"", []chaos.Experiment{plain, slow}, "none", true},
		{"auto", []chaos.Experiment{packets, slow}, can, true},
		{"auto", []chaos.Experiment{packets}, can, false},
		{"none", []chaos.Experiment{slow}, "none", false},
	} {
		o, err := Options{Engine: "process", Isolation: c.asked}.isolated()
		if err == nil {
			o, err = o.isolated(actionsOf(c.experiments)...)
		}
		if err != nil || o.disks != c.disks || o.Isolation != c.isolation {
			t.Errorf("%q: got %q and disks %t, %v; want %q, %t", c.asked, o.Isolation, o.disks, err, c.isolation, c.disks)
		}
	}
	if can == "full" {
		if o, err := (Options{Engine: "process", Isolation: "full"}).isolated(); err != nil || !o.disks {
			t.Errorf("full: disks %t, %v", o.disks, err)
		}
	}
	for _, o := range []Options{{Engine: "docker", Isolation: "full"}, {Engine: "process", Isolation: "some"}, {Engine: attached, Isolation: "none"}} {
		if _, err := o.isolated(); !errors.Is(err, ErrUsage) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if _, err := (Options{Engine: "process", Isolation: "full"}).isolated(); (err == nil) != (can == "full") || errors.Is(err, ErrUsage) {
		t.Errorf("full: %v", err)
	}
}
