package docker

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/bedlamlab/bedlam/deploy"
)

// A view is what the daemon says of a container.
type view struct {
	ID        string
	Name      string
	Instance  string // of its label
	Image     string // the ID of its image
	Labels    map[string]string
	Running   bool // also when it is paused
	Restart   bool // it does not run, and the daemon is about to start it again
	Paused    bool
	Created   bool // and never started
	PID       int  // of its first process on this machine; 0 unless it runs
	ExitCode  int  // of its last life
	OOMKilled bool // a process of it was ended for want of memory, lately: see oomKilled
	Error     string
	Memory    int64       // its limit in bytes; 0: none
	Started   time.Time   // its last life; zero before the first
	Finished  time.Time   // zero before the first end
	IP        netip.Addr  // in the first of its networks, by name
	Published map[int]int // container's port → port of 127.0.0.1, while it runs
	Signal    string      // that asks it to end, as its image or its owner says; empty: SIGTERM
	Health    []string    // the command that asks it for its health; empty: there is none
	Healthy   bool        // the daemon has run that command in this life, and it said so
}

// inspect asks the daemon about a container.
func (d *daemon) inspect(ctx context.Context, id string) (view, error) {
	got, err := d.api.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return view{}, fmt.Errorf("inspecting container: %w", plain(err))
	}
	c := got.Container
	v := view{ID: c.ID, Name: strings.TrimPrefix(c.Name, "/"), Image: c.Image, Published: map[int]int{}}
	if c.Config != nil {
		v.Instance, v.Labels = c.Config.Labels[deploy.LabelInstance], c.Config.Labels
		v.Signal, v.Health = c.Config.StopSignal, healthCommand(c.Config)
	}
	if c.HostConfig != nil {
		v.Memory = c.HostConfig.Memory
	}
	if st := c.State; st != nil {
		// One that is to be started again counts as running with the daemon.
		v.Running, v.Restart = st.Running && !st.Restarting, st.Restarting
		v.Paused, v.Created, v.PID = st.Paused, st.Status == container.StateCreated, st.Pid
		v.ExitCode, v.OOMKilled, v.Error = st.ExitCode, st.OOMKilled, st.Error
		v.Healthy = st.Health != nil && st.Health.Status == container.Healthy
		v.Started, v.Finished = moment(st.StartedAt), moment(st.FinishedAt)
	}
	if n := c.NetworkSettings; n != nil {
		for _, name := range slices.Sorted(maps.Keys(n.Networks)) {
			if e := n.Networks[name]; e != nil && e.IPAddress.IsValid() {
				v.IP = e.IPAddress
				break
			}
		}
		for port, bound := range n.Ports {
			for _, b := range bound {
				if at, err := strconv.Atoi(b.HostPort); err == nil && b.HostIP.Is4() {
					v.Published[int(port.Num())] = at
				}
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
