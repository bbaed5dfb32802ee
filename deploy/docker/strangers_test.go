package docker

import (
	"context"
	"maps"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/attach"
	"github.com/bedlamlab/bedlam/deploy/supervise"
	"github.com/bedlamlab/bedlam/topology"
)

// A town is a system of a lab's that somebody else runs: front-1 is a web
// server at an address of this machine, back-1 has nothing but a health check
// of its own. Their containers bear the label of the lab, not of a run.
type town struct {
	*lab
	file   attach.File
	events *events
}

// labLabel tells one lab's strangers from another's.
const labLabel = "dev.example.lab"

// newTown starts nothing yet.
func newTown(t *testing.T) *town {
	l := newLab(t)
	ports, err := supervise.TakeBlock(1)
	l.must(err)
	t.Cleanup(ports.Release)
	return &town{lab: l, events: &events{}, file: attach.File{
		System: topology.System{Name: "town",
			Services: []topology.Service{{Name: "front", Replicas: 1, Protocol: topology.HTTP}, {Name: "back", Replicas: 1, Protocol: topology.GRPC}},
			Edges:    []topology.Edge{{From: topology.Loader, To: "front", Protocol: topology.HTTP}, {From: "front", To: "back", Protocol: topology.GRPC}}},
		Containers: attach.Containers{With: map[string]string{labLabel: l.run}},
		Addresses:  map[string]string{"front-1": supervise.Loopback(ports.Ports()[0])},
		Path:       "town.yaml",
	}}
}

// consenting are the labels of an instance that may be broken.
func (w *town) consenting(instance string) map[string]string {
	return map[string]string{labLabel: w.run, deploy.LabelInstance: instance, deploy.LabelChaos: deploy.Consent}
}

// stranger starts somebody else's container. It is removed by its ID.
func (w *town) stranger(labels map[string]string, change func(*client.ContainerCreateOptions), words ...string) string {
	w.t.Helper()
	o, err := spec{Run: w.run, Instance: "?", Image: w.image(), Command: append([]string{"/shop"}, words...)}.options()
	w.must(err)
	o.Config.Labels = maps.Clone(labels)
	if change != nil {
		change(&o)
	}
	made, err := w.api.ContainerCreate(w.ctx, o)
	w.must(err)
	w.t.Cleanup(func() { w.remove(context.Background(), made.ID) })
	w.must(w.start(w.ctx, made.ID))
	return made.ID
}

// front starts the web server, with the daemon's restart policy.
func (w *town) front(labels map[string]string, policy container.RestartPolicyMode) string {
	at, err := netip.ParseAddrPort(w.file.Addresses["front-1"])
	w.must(err)
	published, err := spec{Run: w.run, Instance: "?", Publish: map[int]int{servicePort: int(at.Port())}}.options()
	w.must(err)
	return w.stranger(labels, func(o *client.ContainerCreateOptions) {
		o.Config.ExposedPorts, o.HostConfig.PortBindings = published.Config.ExposedPorts, published.HostConfig.PortBindings
		o.HostConfig.NetworkMode = "bridge"
		o.HostConfig.RestartPolicy = container.RestartPolicy{Name: policy}
	}, "web", "0.0.0.0:8080")
}

// back starts the other one.
func (w *town) back(labels map[string]string) string {
	return w.stranger(labels, func(o *client.ContainerCreateOptions) {
		o.Config.Healthcheck = &container.HealthConfig{Test: []string{"CMD", "/shop", "exit", "0"}}
	}, "live")
}

// both starts a town that may be broken.
func (w *town) both() map[string]string {
	return map[string]string{
		"front-1": w.front(w.consenting("front-1"), container.RestartPolicyDisabled),
		"back-1":  w.back(w.consenting("back-1")),
	}
}

// plan is what an engine is asked to attach to.
func (w *town) plan() deploy.Plan {
	return deploy.Plan{Run: w.run, Topology: w.file.System, Scratch: w.t.TempDir(), Logs: w.t.TempDir(), Observe: w.events.add}
}

// attached attaches, and leaves at the end.
func (w *town) attached() guestPowers {
	w.t.Helper()
	s, err := NewAttached(w.file).Up(w.ctx, w.plan())
	w.must(err)
	w.t.Cleanup(func() { s.Down(context.Background()) })
	return s.(guestPowers)
}

// scratch lays out what a run of these containers leaves when it is cut short.
func (w *town) scratch(ids map[string]string) string {
	w.t.Helper()
	desc := supervise.Description{Schema: guestSchema, Run: w.run, Topology: w.file.System, Guests: ids,
		Layout: supervise.Layout{Own: map[string]string{"front-1": w.file.Addresses["front-1"], "back-1": ""}}}
	f := supervise.Files{Scratch: filepath.Join(w.t.TempDir(), "scratch")}
	w.must(os.Mkdir(f.Scratch, 0o700))
	w.must(f.Make(desc))
	return f.Scratch
}

// serves reports whether the web server answers.
func (w *town) serves() bool {
	a, err := http.Get("http://" + w.file.Addresses["front-1"] + "/readyz")
	if err != nil {
		return false
	}
	a.Body.Close()
	return a.StatusCode == http.StatusOK
}

// events are what the supervisor told.
type events struct {
	mu  sync.Mutex
	all []deploy.Event
}

func (e *events) add(v deploy.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, v)
}

// count counts those of a kind about an instance.
func (e *events) count(kind, instance string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for _, v := range e.all {
		if v.Kind == kind && v.Instance == instance {
			n++
		}
	}
	return n
}
