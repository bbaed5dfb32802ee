package heal

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// askTime bounds one question to the daemon, which is busy with the making and
// the removal of some twenty containers.
const askTime = 10 * time.Second

// A daemon is this machine's Docker daemon as anybody sees it. What belongs to
// a run is told by the run's name, in the name of a thing or in any of its
// labels.
type daemon struct {
	api        *client.Client
	image      string // of the bystanders; empty: it has not been made
	bystanders []bystanding
}

// A bystanding container is one that no run may touch, and when it started.
type bystanding struct{ id, started string }

// dial finds the daemon.
func dial() (*daemon, error) {
	api, err := client.New(client.FromEnv)
	if err != nil {
		return nil, err
	}
	d := &daemon{api: api}
	ctx, cancel := context.WithTimeout(context.Background(), askTime)
	defer cancel()
	if _, err := api.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true}); err != nil {
		return nil, errors.Join(fmt.Errorf("asking the Docker daemon: %w", err), api.Close())
	}
	return d, nil
}

// stand starts the bystanders: one without any label, and one that says it is
// an instance of another run. Each holds the program, which waits for a
// configuration that never comes.
func (d *daemon) stand(program, name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*askTime)
	defer cancel()
	image, err := Image(program)
	if err != nil {
		return err
	}
	d.image = "bedlam-heal-bystander:" + name
	imported, err := d.api.ImageImport(ctx, client.ImageImportSource{Source: image, SourceName: "-"}, d.image, client.ImageImportOptions{})
	if err != nil {
		return err
	}
	var report bytes.Buffer
	_, err = report.ReadFrom(imported)
	if err = errors.Join(err, imported.Close()); err != nil {
		return err
	}
	for _, labels := range []map[string]string{nil, {"dev.bedlam.run": "another", "dev.bedlam.instance": "payment-1"}} {
		made, err := d.api.ContainerCreate(ctx, client.ContainerCreateOptions{
			Config:     &container.Config{Image: d.image, Cmd: []string{"/program", "relay"}, OpenStdin: true, Labels: labels},
			HostConfig: &container.HostConfig{NetworkMode: "none"},
		})
		if err != nil {
			return fmt.Errorf("making a bystander: %w", err)
		}
		d.bystanders = append(d.bystanders, bystanding{id: made.ID})
		if _, err := d.api.ContainerStart(ctx, made.ID, client.ContainerStartOptions{}); err != nil {
			return fmt.Errorf("starting a bystander: %w", err)
		}
		seen, err := d.api.ContainerInspect(ctx, made.ID, client.ContainerInspectOptions{})
		if err != nil {
			return err
		}
		d.bystanders[len(d.bystanders)-1].started = seen.Container.State.StartedAt
	}
	return nil
}

// Image is the file system of an image with nothing but a static program,
// /program, in the form that Docker imports.
func Image(program string) (*bytes.Buffer, error) {
	b, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	var image bytes.Buffer
	w := tar.NewWriter(&image)
	err = w.WriteHeader(&tar.Header{Name: "program", Mode: 0o755, Size: int64(len(b))})
	if err == nil {
		_, err = w.Write(b)
	}
	return &image, errors.Join(err, w.Close())
}

// harmed says which bystanders were.
func (d *daemon) harmed() []string {
	ctx, cancel := context.WithTimeout(context.Background(), askTime)
	defer cancel()
	var harmed []string
	for _, b := range d.bystanders {
		seen, err := d.api.ContainerInspect(ctx, b.id, client.ContainerInspectOptions{})
		if err != nil || !seen.Container.State.Running || seen.Container.State.Paused || seen.Container.State.StartedAt != b.started {
			harmed = append(harmed, fmt.Sprintf("a bystander, container %.12s, is gone, stopped or not what it was", b.id))
		}
	}
	return harmed
}

// left says what the daemon still has of runs.
func (d *daemon) left(runs []string) []string {
	if len(runs) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTime)
	defer cancel()
	var left []string
	note := func(what, name, id string, labels map[string]string) {
		all := append(slices.Collect(maps.Values(labels)), name)
		if slices.ContainsFunc(runs, func(run string) bool {
			return slices.ContainsFunc(all, func(text string) bool { return strings.Contains(text, run) })
		}) {
			left = append(left, fmt.Sprintf("%s %s, id %s", what, name, id))
		}
	}
	containers, err := d.api.ContainerList(ctx, client.ContainerListOptions{All: true})
	if err != nil {
		return []string{"the Docker daemon does not say what it has: " + err.Error()}
	}
	for _, c := range containers.Items {
		note(string(c.State)+" container", strings.Join(c.Names, " "), c.ID, c.Labels)
	}
	networks, err := d.api.NetworkList(ctx, client.NetworkListOptions{})
	if err != nil {
		return []string{"the Docker daemon does not say what it has: " + err.Error()}
	}
	for _, n := range networks.Items {
		note("network", n.Name, n.ID, n.Labels)
	}
	volumes, err := d.api.VolumeList(ctx, client.VolumeListOptions{})
	if err != nil {
		return []string{"the Docker daemon does not say what it has: " + err.Error()}
	}
	for _, v := range volumes.Items {
		note("volume", v.Name, v.Name, v.Labels)
	}
	return left
}

// remove removes what left of runs is seen, for the next scene.
func (d *daemon) remove(runs []string) {
	for range 3 { // what was being made at the first is there at the next
		left := d.left(runs)
		if len(left) == 0 {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), 3*askTime)
		for _, text := range left {
			id := text[strings.LastIndexByte(text, ' ')+1:]
			switch {
			case strings.HasPrefix(text, "network"):
				d.api.NetworkRemove(ctx, id, client.NetworkRemoveOptions{})
			case strings.HasPrefix(text, "volume"):
				d.api.VolumeRemove(ctx, id, client.VolumeRemoveOptions{})
			default:
				d.api.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
			}
		}
		cancel()
	}
}

// close removes the bystanders and their image.
func (d *daemon) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*askTime)
	defer cancel()
	var errs []error
	for _, b := range d.bystanders {
		if _, err := d.api.ContainerRemove(ctx, b.id, client.ContainerRemoveOptions{Force: true}); !errdefs.IsNotFound(err) {
			errs = append(errs, err)
		}
	}
	if d.image != "" {
		_, err := d.api.ImageRemove(ctx, d.image, client.ImageRemoveOptions{Force: true})
		errs = append(errs, err)
	}
	return errors.Join(append(errs, d.api.Close())...)
}

// runs returns the names of the scene's runs, as the state folder has told
// them at some time.
func (s *scene) runs() []string {
	for _, path := range matches(s.dir, "state/runs/*.json") {
		if name := strings.TrimSuffix(filepath.Base(path), ".json"); !slices.Contains(s.named, name) {
			s.named = append(s.named, name)
		}
	}
	return s.named
}

// processes returns those of the scene that live, in containers or not.
func (s *scene) processes() []int {
	s.watch.looked = time.Time{}
	s.watch.look()
	all := s.watch.living()
	if s.ground.docker == nil {
		return all
	}
	var ids [][]byte
	for _, text := range s.ground.docker.left(s.runs()) {
		if strings.Contains(text, " container ") {
			ids = append(ids, []byte(text[strings.LastIndexByte(text, ' ')+1:]))
		}
	}
	for _, pid := range processes() {
		// A container's processes stand in cgroups of its name.
		groups, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
		if slices.ContainsFunc(ids, func(id []byte) bool { return bytes.Contains(groups, id) }) {
			all = append(all, pid)
		}
	}
	return all
}
