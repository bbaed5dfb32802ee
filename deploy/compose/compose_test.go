package compose_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/attach"
	"github.com/bedlamlab/bedlam/deploy/compose"
	"github.com/bedlamlab/bedlam/deploy/postgres"
	"github.com/bedlamlab/bedlam/services"
	"github.com/bedlamlab/bedlam/topology"
)

// A file is a compose file as its readers see it.
type file struct {
	Services map[string]struct {
		Image       string
		Command     []string
		User        string
		Environment map[string]string
		Ports       []string
		Networks    []string
		Volumes     []string
		DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
		Healthcheck *struct{ Test []string }
		Restart     string
		ReadOnly    bool     `yaml:"read_only"`
		CapDrop     []string `yaml:"cap_drop"`
		SecurityOpt []string `yaml:"security_opt"`
		Memory      string   `yaml:"mem_limit"`
		MemorySwap  string   `yaml:"memswap_limit"`
		CPUQuota    int64    `yaml:"cpu_quota"`
		PIDs        int      `yaml:"pids_limit"`
		Privileged  bool
		Labels      map[string]string
	}
	Networks map[string]struct{ Internal bool }
	Volumes  map[string]any
}

func rendered(t *testing.T, s topology.System) file {
	t.Helper()
	b, err := compose.File(s)
	if err != nil {
		t.Fatal(err)
	}
	var f file
	if err := yaml.Unmarshal(b, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

// TestTheCommittedFileIsFresh holds compose.yaml against the topology.
func TestTheCommittedFileIsFresh(t *testing.T) {
	for name, render := range map[string]func(topology.System) ([]byte, error){"compose.yaml": compose.File, "bundled.yaml": compose.Bundled, "system.yaml": compose.System} {
		want, err := render(services.Shop())
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s is not what the topology says; write it again with make compose:\n%s", name, diff)
		}
	}
}

// TestTheSystemIsWhatTheFileStarts reads the file of bedlam run --system as it
// is read there, and looks for what it names among the containers.
func TestTheSystemIsWhatTheFileStarts(t *testing.T) {
	shop := services.Shop()
	f := rendered(t, shop)
	s, err := attach.Read("system.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(shop.Edges, s.Edges); diff != "" || len(s.Services) != len(shop.Services) {
		t.Errorf("the edges are not the shop's: %s", diff)
	}
	for _, in := range s.Instances() {
		c := f.Services[in.Name]
		if c.Labels[s.Containers.Key()] != in.Name || c.Labels[deploy.LabelChaos] != deploy.Consent {
			t.Errorf("%s is not found by its labels %v", in.Name, c.Labels)
		}
		if len(c.Ports) > 0 && !strings.HasPrefix(filled(c.Ports[0]), s.Addresses[in.Name]+":") {
			t.Errorf("%s is said to be at %s, and is published at %v", in.Name, s.Addresses[in.Name], c.Ports)
		}
		_, asked := s.Addresses[in.Name]
		_, audited := s.Stores[in.Service]
		if !asked && !audited {
			t.Errorf("%s is nowhere", in.Name)
		}
	}
}

// TestBundledStores reads what the second file's stores are told.
func TestBundledStores(t *testing.T) {
	b, err := compose.Bundled(services.Shop())
	if err != nil {
		t.Fatal(err)
	}
	var f file
	if err := yaml.Unmarshal(b, &f); err != nil {
		t.Fatal(err)
	}
	if len(f.Services) != 2 {
		t.Errorf("%d services, want the two stores", len(f.Services))
	}
	for name, c := range f.Services {
		var o postgres.Options
		if err := json.Unmarshal([]byte(filled(c.Environment[postgres.OptionsEnv])), &o); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if o.Host != name || o.Port != 5432 || o.Password != "demonstration" || len(o.Roles) == 0 {
			t.Errorf("%s is told to be %+v", name, o)
		}
		want := []string{"CMD", "/bedlam", "compose", "health", "postgres", postgres.DSN(o, deploy.AuditRole)}
		var test []string
		for _, word := range c.Healthcheck.Test {
			test = append(test, filled(word))
		}
		if diff := cmp.Diff(want, test); diff != "" {
			t.Errorf("%s: health: %s", name, diff)
		}
	}
}

func TestEveryInstanceIsAContainer(t *testing.T) {
	shop := services.Shop()
	f := rendered(t, shop)
	for _, in := range shop.Instances() {
		c, ok := f.Services[in.Name]
		if !ok {
			t.Errorf("%s is missing", in.Name)
			continue
		}
		want := map[string]string{deploy.LabelService: in.Service, deploy.LabelInstance: in.Name, deploy.LabelZone: in.Zone, deploy.LabelChaos: "yes"}
		if diff := cmp.Diff(want, c.Labels); diff != "" {
			t.Errorf("%s: labels: %s", in.Name, diff)
		}
		if c.Healthcheck == nil || len(c.Healthcheck.Test) == 0 {
			t.Errorf("%s is not asked for its health", in.Name)
		}
	}
	for _, in := range shop.Instances() {
		v, _ := shop.Service(in.Service)
		c := f.Services[in.Name]
		if memory := fmt.Sprintf("%dm", v.Limits.Memory>>20); c.Memory != memory || c.MemorySwap != memory || c.CPUQuota != int64(v.Limits.CPUs*1e5) || c.PIDs == 0 {
			t.Errorf("%s may take %s, with swap %s, %d µs of 100 ms, %d processes; want %+v", in.Name, c.Memory, c.MemorySwap, c.CPUQuota, c.PIDs, v.Limits)
		}
	}
	if got, want := len(f.Services), len(shop.Instances())+1; got != want {
		t.Errorf("%d services, want %d: the instances and the provisioner", got, want)
	}
	if _, ok := f.Services["provision"].Labels[deploy.LabelChaos]; ok {
		t.Error("the provisioner consents to be broken")
	}
}

// TestNobodyHasRights looks at what a container may do.
func TestNobodyHasRights(t *testing.T) {
	f := rendered(t, services.Shop())
	for name, c := range f.Services {
		if !c.ReadOnly || !slices.Equal(c.CapDrop, []string{"ALL"}) || !slices.Contains(c.SecurityOpt, "no-new-privileges:true") || c.Privileged {
			t.Errorf("%s: read_only %t, cap_drop %v, security_opt %v, privileged %t", name, c.ReadOnly, c.CapDrop, c.SecurityOpt, c.Privileged)
		}
		if strings.Contains(c.Image, "BEDLAM_IMAGE") == (c.User != "") || c.User == "root" {
			t.Errorf("%s: user %q of image %s: want the image's own, or one without rights", name, c.User, c.Image)
		}
		for _, p := range c.Ports {
			if !strings.HasPrefix(p, "127.0.0.1:") {
				t.Errorf("%s: port %s is published to others", name, p)
			}
		}
		gateway := c.Labels[deploy.LabelService] == "gateway"
		if published := len(c.Ports) > 0; published != gateway {
			t.Errorf("%s: published: %t", name, published)
		}
		if !gateway && !slices.Equal(c.Networks, []string{"shop"}) {
			t.Errorf("%s is on the networks %v", name, c.Networks)
		}
	}
	if !f.Networks["shop"].Internal {
		t.Error("the shop's network leads outside")
	}
}

// placeholder is a variable of compose with its default value.
var placeholder = regexp.MustCompile(`\$\{[A-Z0-9_]+:-([^}]*)\}`)

// filled does to a text what compose does when no variable is set.
func filled(text string) string {
	return strings.ReplaceAll(placeholder.ReplaceAllString(text, "$1"), "$$", "$")
}

func assignments(t *testing.T, f file) map[string]topology.Assignment {
	t.Helper()
	all := map[string]topology.Assignment{}
	for name, c := range f.Services {
		told, ok := c.Environment["SHOP_ASSIGNMENT"]
		if !ok {
			continue
		}
		var a topology.Assignment
		d := json.NewDecoder(strings.NewReader(filled(told)))
		d.DisallowUnknownFields() // as the shop reads it
		if err := d.Decode(&a); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all[name] = a
	}
	return all
}

// TestAssignments reads what each container is told as the shop does.
func TestAssignments(t *testing.T) {
	shop := services.Shop()
	all := assignments(t, rendered(t, shop))
	for _, in := range shop.Instances() {
		v, _ := shop.Service(in.Service)
		a, ok := all[in.Name]
		if v.Protocol == topology.Postgres {
			if ok {
				t.Errorf("%s is told to be a service", in.Name)
			}
			continue
		}
		if diff := cmp.Diff(in, a.Instance); diff != "" {
			t.Errorf("%s: %s", in.Name, diff)
		}
		if diff := cmp.Diff(v.Settings, a.Settings); diff != "" {
			t.Errorf("%s: settings: %s", in.Name, diff)
		}
		if a.Telemetry != "" {
			t.Errorf("%s: telemetry goes to %q unasked", in.Name, a.Telemetry)
		}
		if want := "postgres://" + v.Name + ":demonstration@" + v.Store + "-1:5432/postgres?sslmode=disable"; v.Store != "" && a.Store != want {
			t.Errorf("%s: store %q, want %q", in.Name, a.Store, want)
		}
		for _, e := range shop.Edges {
			if e.From != v.Name {
				continue
			}
			if diff := cmp.Diff(e.Policy, a.Policies[e.To]); diff != "" {
				t.Errorf("%s: policy of %s: %s", in.Name, e.Name(), diff)
			}
			if e.To == v.Store {
				continue
			}
			var want []topology.Peer
			for _, to := range shop.InstancesOf(e.To) {
				want = append(want, topology.Peer{Instance: to.Name, Address: to.Name + ":8080"})
			}
			if diff := cmp.Diff(want, a.Peers[e.To]); diff != "" {
				t.Errorf("%s: peers: %s", in.Name, diff)
			}
		}
	}
}

// TestADollarIsNoVariable passes a setting that compose would fill in.
func TestADollarIsNoVariable(t *testing.T) {
	const price = "5 ${BEDLAM_SHOP_PASSWORD} $HOME <&>"
	shop := services.Shop()
	shop.Services[0].Settings = map[string]string{"price": price}
	b, err := compose.File(shop)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), "5 $${BEDLAM_SHOP_PASSWORD} $$HOME <&>") {
		t.Error("the dollar signs of a setting are left for compose to fill in")
	}
}

func TestAWrongTopologyIsRefused(t *testing.T) {
	shop := services.Shop()
	shop.Services[0].Replicas = 0
	if _, err := compose.File(shop); err == nil {
		t.Error("a service without replicas is rendered")
	}
}
