package compose

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/postgres"
	"github.com/bedlamlab/bedlam/topology"
)

const bundledHead = `# For machines that cannot fetch PostgreSQL's official image: the stores run an
# image that Bedlam makes out of a PostgreSQL of the machine's own.
#
#   make compose-up STORES=bundled
#
# Written by make compose; given to compose after compose.yaml.
`

// An override is what a second compose file changes in a container.
type override struct {
	Image       string          `yaml:"image"`
	Entrypoint  []string        `yaml:"entrypoint,flow"`
	Command     []string        `yaml:"command,flow"`
	Environment map[string]text `yaml:"environment"`
	Volumes     []string        `yaml:"volumes"`
	Healthcheck struct {
		Test []string `yaml:"test,flow"`
	} `yaml:"healthcheck"`
}

// bundledDir belongs to the server's account in the image.
const bundledDir = "/var/lib/bedlam"

// Bundled returns the compose file that, given after [File]'s, has t's stores
// run the image of [docker.StoreImage].
//
// [docker.StoreImage]: https://pkg.go.dev/github.com/bedlamlab/bedlam/deploy/docker#StoreImage
func Bundled(t topology.System) ([]byte, error) {
	if err := t.Validate(); err != nil {
		return nil, err
	}
	f := struct {
		Services map[string]override `yaml:"services"`
		Volumes  map[string]volume   `yaml:"volumes"`
	}{map[string]override{}, map[string]volume{}}
	for _, v := range stores(t) {
		name := t.InstancesOf(v.Name)[0].Name
		o := storeOptions(t, v.Name, storePasswordHere, passwordHere)
		dsn := postgres.DSN(o, deploy.AuditRole) // made with all the others
		o.Dir = bundledDir
		told, err := json.Marshal(o)
		if err != nil {
			return nil, fmt.Errorf("compose: %s: %w", name, err)
		}
		c := override{
			Image:       "${BEDLAM_POSTGRES_IMAGE:-bedlam-postgres:local}",
			Entrypoint:  []string{"/bedlam"},
			Command:     []string{"store"},
			Environment: map[string]text{postgres.OptionsEnv: text(fill(string(told)))},
			Volumes:     []string{name + "-bundled:" + bundledDir},
		}
		c.Healthcheck.Test = []string{"CMD", "/bedlam", "compose", "health", string(v.Protocol), fill(dsn)}
		f.Services[name], f.Volumes[name+"-bundled"] = c, volume{}
	}
	return encode(bundledHead, f)
}

// fill puts compose's variables where their stand-ins are. Any other dollar
// sign is one.
func fill(s string) string {
	return strings.NewReplacer("$", "$$", passwordHere, variableOf(ShopPassword), storePasswordHere, variableOf(StorePassword),
		telemetryHere, "${BEDLAM_TELEMETRY:-}").Replace(s)
}

func encode(head string, f any) ([]byte, error) {
	b := bytes.NewBufferString(head)
	e := yaml.NewEncoder(b)
	e.SetIndent(2)
	if err := e.Encode(f); err != nil {
		return nil, fmt.Errorf("compose: %w", err)
	}
	return b.Bytes(), e.Close()
}
