package topology_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bedlamlab/bedlam/topology"
)

func small() topology.System {
	return topology.System{
		Name: "small", Zones: []string{"a", "b"},
		Services: []topology.Service{
			{Name: "front", Replicas: 3, Protocol: topology.HTTP},
			{Name: "back", Replicas: 1, Protocol: topology.GRPC, Store: "db"},
			{Name: "db", Replicas: 1, Protocol: topology.Postgres},
		},
		Edges: []topology.Edge{
			{From: topology.Loader, To: "front", Protocol: topology.HTTP},
			{From: "front", To: "back", Protocol: topology.GRPC, Policy: topology.Policy{Timeout: topology.Duration(250 * time.Millisecond)}},
			{From: "back", To: "db", Protocol: topology.Postgres},
		},
	}
}

func TestReplicasAreSpreadOverZones(t *testing.T) {
	var got []string
	for _, in := range small().Instances() {
		got = append(got, in.Name+" "+in.Zone)
	}
	if diff := cmp.Diff([]string{"front-1 a", "front-2 b", "front-3 a", "back-1 a", "db-1 a"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestLinksSpellEdgesOut(t *testing.T) {
	var got []string
	for _, l := range small().Links() {
		got = append(got, l.String())
	}
	want := []string{"loader-1->front-1", "loader-1->front-2", "loader-1->front-3", "front-1->back-1", "front-2->back-1", "front-3->back-1", "back-1->db-1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestValidateSaysWhatIsWrong(t *testing.T) {
	if err := small().Validate(); err != nil {
		t.Fatal(err)
	}
	for want, spoil := range map[string]func(*topology.System){
		"a service has no name":                      func(s *topology.System) { s.Services[0].Name = "" },
		"service back stands twice":                  func(s *topology.System) { s.Services[0].Name = "back" },
		"service loader stands twice":                func(s *topology.System) { s.Services[0].Name = topology.Loader },
		"has 0 replicas":                             func(s *topology.System) { s.Services[0].Replicas = 0 },
		"has limits of -1 bytes":                     func(s *topology.System) { s.Services[0].Limits.Memory = -1 },
		"and -0.5 CPUs":                              func(s *topology.System) { s.Services[0].Limits.CPUs = -0.5 },
		`unknown protocol "smtp"`:                    func(s *topology.System) { s.Services[0].Protocol = "smtp" },
		"edge front->attic names an unknown":         func(s *topology.System) { s.Edges[1].To = "attic" },
		"edge front->back stands twice":              func(s *topology.System) { s.Edges[2] = s.Edges[1] },
		"keeps its data in db, but there is no edge": func(s *topology.System) { s.Edges = s.Edges[:2] },
	} {
		s := small()
		spoil(&s)
		if err := s.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestASystemSurvivesJSON(t *testing.T) {
	b, err := json.Marshal(small())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), `"timeout":"250ms"`) {
		t.Errorf("durations are not for people: %s", b)
	}
	var got topology.System
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(small(), got); diff != "" {
		t.Error(diff)
	}
	var d topology.Duration
	if err := d.UnmarshalText([]byte("soon")); err == nil {
		t.Error("soon is taken for a duration")
	}
}
