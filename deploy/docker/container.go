package docker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	api "github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"golang.org/x/sys/unix"

	"github.com/bedlamlab/bedlam/deploy/attach"
)

// The labels by which this engine knows what is its own.
const (
	runLabel      = "dev.bedlam.run"     // the run that a container, a network, a volume or an unfinished image belongs to
	instanceLabel = attach.LabelInstance // what a container is in its run
	imageLabel    = "dev.bedlam.image"   // what a finished image is for: shop, postgres
)

const (
	// pids bounds the threads of a container: PostgreSQL with its 150
	// connections has some 170 processes, a service some 20 threads.
	pids = 512
	// logBytes bounds what a container's log takes of the disk, twice over:
	// the file in use and the one before. A run's whole log is a few MB.
	logBytes = 16 << 20
)

var (
	// errGone says that a container that should run does not.
	errGone = errors.New("it is not running")
	// errUnknown says that there is no such container, any more or yet.
	errUnknown = errors.New("there is no such container")
	errNoRun   = errors.New("the run has no name")
)

// A spec says what a container is. What the zero value of a field means stands
// beside it.
type spec struct {
	Run      string // whose it is; needed
	Instance string // what it is in its run; needed
	Name     string // unique on the daemon; empty: one of the daemon's own
	Image    string
	Command  []string // with its arguments; empty: the image's own
	Env      []string // NAME=value
	Network  string   // a network's ID; empty: none but loopback
	IP       netip.Addr
	Labels   map[string]string // besides the run's and the instance's
	Memory   int64             // bytes; 0: unlimited. There is no swap beside it
	CPUs     float64           // 0: unlimited
	User     string            // uid:gid; empty: the image's own
	ReadOnly bool              // the image cannot be written to
	Tmpfs    map[string]int64  // path → bytes
	Volume   map[string]string // name → path. A volume is made if there is none, and is the run's
	Stdin    bool              // it reads its standard input, see startWith
	Publish  map[int]int       // container's TCP port → port of this machine's 127.0.0.1; 0: a free one
}

// create makes a container and does not start it. It has no rights beyond its
// user's, cannot get any, and is started by nobody but us. The result is its
// ID.
func (d *daemon) create(ctx context.Context, s spec) (string, error) {
	fail := func(err error) (string, error) { return "", fmt.Errorf("making container %s: %w", s.Instance, err) }
	switch {
	case s.Run == "":
		return fail(errNoRun)
	case s.Instance == "":
		return fail(errors.New("the instance has no name"))
	}
	for name := range s.Volume {
		if err := d.volume(ctx, s.Run, name); err != nil {
			return fail(err)
		}
	}
	o, err := s.options()
	if err != nil {
		return fail(err)
	}
	made, err := d.api.ContainerCreate(ctx, o)
	if err != nil {
		return fail(err)
	}
	return made.ID, nil
}

// volume makes a volume of the run's. One of another's is never taken: it
// would go with this run.
func (d *daemon) volume(ctx context.Context, run, name string) error {
	made, err := d.api.VolumeCreate(ctx, client.VolumeCreateOptions{Name: name, Labels: map[string]string{runLabel: run}})
	if err != nil {
		return fmt.Errorf("volume %s: %w", name, err)
	}
	if made.Volume.Labels[runLabel] != run {
		return fmt.Errorf("there is a volume %s already, and it is not this run's", name)
	}
	return nil
}

func (s spec) options() (client.ContainerCreateOptions, error) {
	limit, no := int64(pids), false
	labels := maps.Clone(s.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[runLabel], labels[instanceLabel] = s.Run, s.Instance
	c := &container.Config{
		Image:       s.Image,
		Env:         s.Env,
		User:        s.User,
		OpenStdin:   s.Stdin,
		StdinOnce:   s.Stdin,
		Labels:      labels,
		Healthcheck: &container.HealthConfig{Test: []string{"NONE"}}, // we ask ourselves
	}
	if len(s.Command) > 0 { // whatever the image's entry is
		c.Entrypoint, c.Cmd = s.Command[:1], s.Command[1:]
	}
	h := &container.HostConfig{
		NetworkMode:    api.NetworkNone,
		RestartPolicy:  container.RestartPolicy{Name: container.RestartPolicyDisabled},
		CapDrop:        []string{"ALL"},
		SecurityOpt:    []string{"no-new-privileges:true"},
		ReadonlyRootfs: s.ReadOnly,
		Init:           &no, // its first process is what a signal means
		LogConfig: container.LogConfig{Type: "json-file", Config: map[string]string{
			"max-size": strconv.Itoa(logBytes), "max-file": "2",
		}},
		Resources: container.Resources{
			Memory: s.Memory, MemorySwap: s.Memory, NanoCPUs: int64(s.CPUs * 1e9), PidsLimit: &limit,
		},
	}
	for path, size := range s.Tmpfs {
		if h.Tmpfs == nil {
			h.Tmpfs = map[string]string{}
		}
		h.Tmpfs[path] = fmt.Sprintf("size=%d,mode=1777,nosuid,nodev,noexec", size)
	}
	for name, path := range s.Volume {
		h.Mounts = append(h.Mounts, mount.Mount{Type: mount.TypeVolume, Source: name, Target: path})
	}
	for inside, outside := range s.Publish {
		port, ok := api.PortFrom(uint16(inside), api.TCP)
		if !ok || inside < 1 || inside > 65535 || outside < 0 || outside > 65535 {
			return client.ContainerCreateOptions{}, fmt.Errorf("port %d cannot be published at %d", inside, outside)
		}
		if c.ExposedPorts == nil {
			c.ExposedPorts, h.PortBindings = api.PortSet{}, api.PortMap{}
		}
		c.ExposedPorts[port] = struct{}{}
		h.PortBindings[port] = []api.PortBinding{{HostIP: netip.AddrFrom4([4]byte{127, 0, 0, 1}), HostPort: strconv.Itoa(outside)}}
	}
	o := client.ContainerCreateOptions{Config: c, HostConfig: h, Name: s.Name}
	if s.Network != "" {
		h.NetworkMode = container.NetworkMode(s.Network)
		e := &api.EndpointSettings{}
		if s.IP.IsValid() {
			e.IPAMConfig = &api.EndpointIPAMConfig{IPv4Address: s.IP}
		}
		o.NetworkingConfig = &api.NetworkingConfig{EndpointsConfig: map[string]*api.EndpointSettings{s.Network: e}}
	}
	return o, nil
}

// start starts a container, for the first time or again. One that runs is no
// error.
func (d *daemon) start(ctx context.Context, id string) error {
	if _, err := d.api.ContainerStart(ctx, id, client.ContainerStartOptions{}); err != nil {
		return fmt.Errorf("starting container: %w", plain(err))
	}
	return nil
}

// containers returns the IDs of the run's containers by instance, in whatever
// state they are.
func (d *daemon) containers(ctx context.Context, run string) (map[string]string, error) {
	if run == "" {
		return nil, errNoRun
	}
	all, err := d.api.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: of(run)})
	if err != nil {
		return nil, fmt.Errorf("listing the run's containers: %w", err)
	}
	found := map[string]string{}
	for _, c := range all.Items {
		found[c.Labels[instanceLabel]] = c.ID
	}
	return found, nil
}

// of is the filter for what belongs to a run and to no other.
func of(run string) client.Filters { return client.Filters{}.Add("label", runLabel+"="+run) }

// kill sends a signal to a container's first process; SIGKILL ends all of its
// processes, also of a paused one, and then kill returns when they are gone. A
// container that does not run is errGone.
func (d *daemon) kill(ctx context.Context, id string, sig syscall.Signal) error {
	return d.signal(ctx, id, unix.SignalName(sig))
}

// signal is kill for a signal as a container's owner writes it: a name or a
// number.
func (d *daemon) signal(ctx context.Context, id, sig string) error {
	if _, err := d.api.ContainerKill(ctx, id, client.ContainerKillOptions{Signal: sig}); err != nil {
		return fmt.Errorf("sending %s: %w", sig, plain(err))
	}
	return nil
}

// pause freezes all processes of a container. A paused one is no error, one
// that does not run is errGone.
func (d *daemon) pause(ctx context.Context, id string) error {
	_, err := d.api.ContainerPause(ctx, id, client.ContainerPauseOptions{})
	if err == nil {
		return nil
	}
	if v, e := d.inspect(ctx, id); e == nil && v.Paused {
		return nil
	}
	return fmt.Errorf("pausing container: %w", plain(err))
}

// unpause thaws a container. One that is not paused, or does not run any more,
// is no error.
func (d *daemon) unpause(ctx context.Context, id string) error {
	_, err := d.api.ContainerUnpause(ctx, id, client.ContainerUnpauseOptions{})
	if err == nil {
		return nil
	}
	if v, e := d.inspect(ctx, id); e == nil && !v.Paused {
		return nil
	}
	return fmt.Errorf("resuming container: %w", plain(err))
}

// An exit is how a container's life ended.
type exit struct {
	Code      int // 128 and the signal's number if one ended it
	OOMKilled bool
}

// wait returns when a container does not run, and how it ended. One that has
// never been started counts as ended.
func (d *daemon) wait(ctx context.Context, id string) (exit, error) {
	fail := func(err error) (exit, error) {
		return exit{}, fmt.Errorf("waiting for a container's end: %w", plain(err))
	}
	w := d.api.ContainerWait(ctx, id, client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
	// One of the two comes, also when ctx ends: leaving before would leave the
	// client's goroutine behind.
	select {
	case err := <-w.Error:
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return fail(err)
	case r := <-w.Result:
		if r.Error != nil && r.Error.Message != "" {
			return fail(errors.New(r.Error.Message))
		}
		e := exit{Code: int(r.StatusCode)}
		v, err := d.inspect(ctx, id)
		switch {
		case errors.Is(err, errUnknown): // removed meanwhile
		case err != nil:
			return fail(err)
		default:
			e.OOMKilled = v.OOMKilled
		}
		return e, nil
	}
}

// remove removes a container, running or not, and returns when it is gone. One
// that is gone already is no error.
func (d *daemon) remove(ctx context.Context, id string) error {
	_, err := d.api.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	for errdefs.IsConflict(err) { // somebody else is removing it
		if _, err = d.inspect(ctx, id); err == nil {
			select {
			case <-ctx.Done():
				return fmt.Errorf("removing container: %w", context.Cause(ctx))
			case <-time.After(glance):
			}
			_, err = d.api.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		}
	}
	if err == nil || errdefs.IsNotFound(err) || errors.Is(err, errUnknown) {
		return nil
	}
	return fmt.Errorf("removing container: %w", err)
}

// glance is the pause between two looks at something that the daemon does not
// tell of.
const glance = 20 * time.Millisecond

// plain translates the daemon's errors into ours.
func plain(err error) error {
	switch {
	case err == nil || errors.Is(err, errUnknown) || errors.Is(err, errGone):
		return err
	case errdefs.IsNotFound(err) && strings.Contains(strings.ToLower(err.Error()), "no such container"):
		return fmt.Errorf("%w: %w", errUnknown, err)
	case errdefs.IsConflict(err) && strings.Contains(err.Error(), "is not running"):
		return errGone
	}
	return err
}
