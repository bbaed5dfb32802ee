package docker

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// A view is what the daemon says of a container.
type view struct {
	ID        string
	Name      string
	Labels    map[string]string
	Running   bool // also when it is paused
	Restart   bool // it does not run, and the daemon is about to start it again
	Paused    bool
	PID       int        // of its first process on this machine; 0 unless it runs
	ExitCode  int        // of its last life
	OOMKilled bool       // a process of it was ended for want of memory, lately: see oomKilled
	Memory    int64      // its limit in bytes; 0: none
	Share     share      // of the processors
	Image     string     // the ID of what it is made from
	User      string     // that its processes run under: uid:gid, for ours
	Started   time.Time  // its last life; zero before the first
	IP        netip.Addr // in the first of its networks, by name
	Signal    string     // that asks it to end, as its image or its owner says; empty: SIGTERM
	Health    []string   // the command that asks it for its health; empty: there is none
	Terminal  bool       // what it writes goes to one, so that there is one output
	Healthy   bool       // the daemon has run that command in this life, and it said so
}

// inspect asks the daemon about a container.
func (d *daemon) inspect(ctx context.Context, id string) (view, error) {
	got, err := d.api.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return view{}, fmt.Errorf("inspecting container: %w", plain(err))
	}
	c := got.Container
	v := view{ID: c.ID, Name: strings.TrimPrefix(c.Name, "/"), Image: c.Image}
	if c.Config != nil {
		v.Labels, v.User = c.Config.Labels, c.Config.User
		v.Signal, v.Health, v.Terminal = c.Config.StopSignal, healthCommand(c.Config), c.Config.Tty
	}
	if c.HostConfig != nil {
		v.Memory = c.HostConfig.Memory
		v.Share = share{c.HostConfig.CPUQuota, c.HostConfig.CPUPeriod}
	}
	if st := c.State; st != nil {
		// One that is to be started again counts as running with the daemon.
		v.Running, v.Restart = st.Running && !st.Restarting, st.Restarting
		v.Paused, v.PID = st.Paused, st.Pid
		v.ExitCode, v.OOMKilled = st.ExitCode, st.OOMKilled
		v.Healthy = st.Health != nil && st.Health.Status == container.Healthy
		v.Started = moment(st.StartedAt)
	}
	if n := c.NetworkSettings; n != nil {
		for _, name := range slices.Sorted(maps.Keys(n.Networks)) {
			if e := n.Networks[name]; e != nil && e.IPAddress.IsValid() {
				v.IP = e.IPAddress
				break
			}
		}
	}
	return v, nil
}

// moment reads a time of the daemon's; what has not happened is year 1.
func moment(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || t.Year() <= 1 {
		return time.Time{}
	}
	return t
}

// healthCommand returns the command by which a container is asked for its
// health, as the daemon runs it.
func healthCommand(c *container.Config) []string {
	if c.Healthcheck == nil || len(c.Healthcheck.Test) < 2 {
		return nil // none, or it is switched off
	}
	switch words := c.Healthcheck.Test[1:]; c.Healthcheck.Test[0] {
	case "CMD":
		return words
	case "CMD-SHELL":
		shell := c.Shell
		if len(shell) == 0 {
			shell = []string{"/bin/sh", "-c"}
		}
		return append(append([]string{}, shell...), words...)
	}
	return nil
}
