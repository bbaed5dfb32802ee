package docker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"strconv"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	api "github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/supervise"
)

const (
	// period is the kernel's own, in µs, of which a container gets its CPUs'
	// share. Unlike a number of CPUs, that may be more than the machine has, of
	// which the daemon refuses any.
	period = 100_000
	// logBytes bounds what a container's log takes of the disk, twice over:
	// the file in use and the one before. A run's whole log is a few MB.
	logBytes = 16 << 20
)

// A spec says what a container is. What the zero value of a field means stands
// beside it.
type spec struct {
	Run      string // whose it is; needed
	Instance string // what it is in its run; needed
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
	Bind     map[string]string // folder of this machine → path
	Stdin    bool              // it reads its standard input, see startWith
	// Join is the ID of the container whose network this one is in, PID whose
	// processes it sees: "host" is the machine's; empty: its own.
	Join, PID    string
	Capabilities []string    // that root has in it
	Device       string      // of the machine's, at the same path
	NameServer   netip.Addr  // that it asks, at port 53; invalid: the daemon's
	Publish      map[int]int // container's TCP port → port of this machine's 127.0.0.1; 0: a free one
}

// containerName is the name of an instance's container, by which the daemon
// knows it as well as by its ID. No other container of the daemon has it.
func containerName(run, instance string) string { return "bedlam-" + run + "-" + instance }

// create makes a container and does not start it. It has no rights beyond its
// user's but those that the spec names, cannot get any, and is started by nobody but us. The result is its
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
	o.Name = containerName(s.Run, s.Instance)
	made, err := d.api.ContainerCreate(ctx, o)
	if err != nil {
		return fail(err)
	}
	return made.ID, nil
}

// volume makes a volume of the run's. One of another's is never taken: it
// would go with this run.
func (d *daemon) volume(ctx context.Context, run, name string) error {
	made, err := d.api.VolumeCreate(ctx, client.VolumeCreateOptions{Name: name, Labels: map[string]string{deploy.LabelRun: run}})
	if err != nil {
		return fmt.Errorf("volume %s: %w", name, err)
	}
	if made.Volume.Labels[deploy.LabelRun] != run {
		return fmt.Errorf("there is a volume %s already, and it is not this run's", name)
	}
	return nil
}

func (s spec) options() (client.ContainerCreateOptions, error) {
	limit, no := int64(supervise.MostThreads), false
	labels := maps.Clone(s.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[deploy.LabelRun], labels[deploy.LabelInstance] = s.Run, s.Instance
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
		SecurityOpt:    []string{"no-new-privileges"},
		ReadonlyRootfs: s.ReadOnly,
		Init:           &no, // its first process is what a signal means
		LogConfig: container.LogConfig{Type: "json-file", Config: map[string]string{
			"max-size": strconv.Itoa(logBytes), "max-file": "2",
		}},
		Resources: container.Resources{
			Memory: s.Memory, MemorySwap: s.Memory, CPUPeriod: period, CPUQuota: int64(s.CPUs * period), PidsLimit: &limit,
		},
	}
	h.CapAdd, h.PidMode = s.Capabilities, container.PidMode(s.PID)
	if s.Join != "" {
		h.NetworkMode = container.NetworkMode("container:" + s.Join)
	}
	if s.Device != "" {
		h.Devices = []container.DeviceMapping{{PathOnHost: s.Device, PathInContainer: s.Device, CgroupPermissions: "rw"}}
	}
	if s.NameServer.IsValid() {
		h.DNS, h.DNSSearch = []netip.Addr{s.NameServer}, []string{"."} // no domain is tried behind a name
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
	for folder, path := range s.Bind {
		h.Mounts = append(h.Mounts, mount.Mount{Type: mount.TypeBind, Source: folder, Target: path})
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
	o := client.ContainerCreateOptions{Config: c, HostConfig: h}
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
