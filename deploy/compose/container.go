package compose

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/postgres"
	"github.com/bedlamlab/bedlam/topology"
)

// A file is a compose file, as far as the shop needs it.
type file struct {
	Services map[string]container `yaml:"services"`
	Networks map[string]network   `yaml:"networks"`
	Volumes  map[string]volume    `yaml:"volumes"`
}

type network struct {
	Internal bool `yaml:"internal,omitempty"`
}

type volume struct{}

// A container is one service of a compose file.
type container struct {
	Image       string                `yaml:"image"`
	Entrypoint  []string              `yaml:"entrypoint,flow,omitempty"`
	Command     []string              `yaml:"command,flow,omitempty"`
	Environment map[string]text       `yaml:"environment,omitempty"`
	Ports       []string              `yaml:"ports,omitempty"`
	Networks    []string              `yaml:"networks,flow"`
	Volumes     []string              `yaml:"volumes,omitempty"`
	DependsOn   map[string]dependency `yaml:"depends_on,omitempty"`
	Healthcheck *healthcheck          `yaml:"healthcheck,omitempty"`
	Restart     string                `yaml:"restart"`
	StopSignal  string                `yaml:"stop_signal,omitempty"`
	User        string                `yaml:"user,omitempty"`
	ReadOnly    bool                  `yaml:"read_only"`
	Tmpfs       []string              `yaml:"tmpfs,omitempty"`
	CapDrop     []string              `yaml:"cap_drop,flow"`
	SecurityOpt []string              `yaml:"security_opt,flow"`
	Memory      string                `yaml:"mem_limit,omitempty"`
	MemorySwap  string                `yaml:"memswap_limit,omitempty"` // with swap
	CPUQuota    int64                 `yaml:"cpu_quota,omitempty"`     // of 100 ms, in microseconds
	PIDs        int                   `yaml:"pids_limit"`
	Labels      map[string]string     `yaml:"labels,omitempty"`
}

type dependency struct {
	Condition string `yaml:"condition"`
}

type healthcheck struct {
	Test     []string `yaml:"test,flow"`
	Interval string   `yaml:"interval"`
	Timeout  string   `yaml:"timeout"`
	Retries  int      `yaml:"retries"`
}

// A text is written as a block if it has several lines.
type text string

// MarshalYAML implements [yaml.Marshaler].
func (s text) MarshalYAML() (any, error) {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: string(s)}
	if strings.Contains(n.Value, "\n") {
		n.Style = yaml.LiteralStyle
	}
	return n, nil
}

const (
	// image holds the programs shop and bedlam at its root, and nothing else.
	image = "${BEDLAM_IMAGE:-bedlam:local}"
	// storeImage is by default the official image of a version that is
	// supported until November 2029.
	storeImage = "${BEDLAM_POSTGRES_IMAGE:-postgres:17}"

	inside, outside = "shop", "front"
)

// pids bounds the threads of a container: PostgreSQL with all of its
// connections has some 170 processes, a service some 20 threads.
const pids = 512

// confined is what every container of the shop is: without rights, and unable
// to write but where it says.
func confined(image string) container {
	return container{Image: image, Networks: []string{inside}, ReadOnly: true, CapDrop: []string{"ALL"},
		SecurityOpt: []string{"no-new-privileges:true"}, PIDs: pids}
}

// limit bounds what c takes of its machine. A quota, unlike a number of CPUs,
// may be more than the machine has.
func (c *container) limit(l topology.Limits) {
	if l.Memory > 0 {
		c.Memory = fmt.Sprintf("%db", l.Memory)
		if mib := l.Memory >> 20; mib<<20 == l.Memory {
			c.Memory = fmt.Sprintf("%dm", mib)
		}
		c.MemorySwap = c.Memory
	}
	const period = 100_000
	c.CPUQuota = int64(l.CPUs * period)
}

func containerOf(t topology.System, v topology.Service, in topology.Instance) (container, error) {
	c := confined(image)
	if v.Protocol == topology.Postgres {
		c = storeContainer(in)
	} else {
		a, err := assignment(t, v, in)
		if err != nil {
			return c, err
		}
		c.Command = []string{v.Name}
		c.Environment = map[string]text{"SHOP_ASSIGNMENT": text(a)}
		// Asking starts a process: every ten seconds, so that all of the shop's
		// instances together ask about twice a second.
		c.Healthcheck = &healthcheck{Interval: "10s", Timeout: "5s", Retries: 3,
			Test: []string{"CMD", "/bedlam", "compose", "health", string(v.Protocol), fmt.Sprintf("127.0.0.1:%d", port)}}
		if v.Store != "" {
			c.DependsOn = map[string]dependency{provisioner: {"service_completed_successfully"}}
		}
	}
	c.limit(v.Limits)
	c.Restart = "unless-stopped"
	c.Labels = map[string]string{deploy.LabelService: v.Name, deploy.LabelInstance: in.Name, deploy.LabelZone: in.Zone, deploy.LabelChaos: deploy.Consent}
	return c, nil
}

// maxConnections is for fourteen instances with pools of eight, and for whoever
// looks in; PostgreSQL's own 100 would be too few.
const maxConnections = 150

// storeContainer runs a PostgreSQL as the official image wants to be told. As
// its own user from the beginning, it needs no rights to change to it.
func storeContainer(in topology.Instance) container {
	c := confined(storeImage)
	c.User = "postgres"
	c.Command = []string{"postgres", "-c", fmt.Sprintf("max_connections=%d", maxConnections)}
	c.Environment = map[string]text{
		"POSTGRES_USER":     postgres.Superuser,
		"POSTGRES_PASSWORD": text(variableOf(StorePassword)),
		"POSTGRES_DB":       database,
	}
	c.Volumes = []string{in.Name + ":/var/lib/postgresql/data"}
	c.Tmpfs = []string{"/tmp", "/var/run/postgresql"}
	c.StopSignal = "SIGINT" // PostgreSQL's fast shutdown
	// By TCP: while the image prepares a new folder, the server there listens
	// on a socket file only.
	c.Healthcheck = &healthcheck{Interval: "2s", Timeout: "5s", Retries: 30,
		Test: []string{"CMD", "pg_isready", "-q", "-h", "127.0.0.1", "-U", postgres.Superuser, "-d", database}}
	return c
}

// defaults are the passwords of a demonstration.
var defaults = map[string]string{StorePassword: "demonstration", ShopPassword: "demonstration"}

// variableOf returns how the file writes a variable.
func variableOf(name string) string { return "${" + name + ":-" + defaults[name] + "}" }

// variable makes part of a variable's name from an instance's.
func variable(instance string) string {
	return strings.ToUpper(strings.ReplaceAll(instance, "-", "_"))
}

// stores returns the services of t that are databases, in its order.
func stores(t topology.System) []topology.Service {
	return slices.DeleteFunc(slices.Clone(t.Services), func(v topology.Service) bool { return v.Protocol != topology.Postgres })
}

func provision(t topology.System) container {
	c := confined(image)
	c.Entrypoint, c.Command = []string{"/bedlam"}, []string{"compose", "provision"}
	c.Environment = map[string]text{}
	for name := range defaults {
		c.Environment[name] = text(variableOf(name))
	}
	c.DependsOn = map[string]dependency{}
	for _, v := range stores(t) {
		for _, in := range t.InstancesOf(v.Name) {
			c.DependsOn[in.Name] = dependency{"service_healthy"}
		}
	}
	c.Restart = "no"
	return c
}
