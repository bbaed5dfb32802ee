package docker_test

import (
	"testing"

	"github.com/moby/moby/client"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/docker"
	"github.com/bedlamlab/bedlam/deploy/enginetest"
)

func TestEngine(t *testing.T) {
	needDaemon(t)
	enginetest.Exercise(t, newEngine, func(t *testing.T) deploy.Plan {
		p := enginetest.Plan(t)
		p.Names = true // a run may have addresses instead, as all other tests do
		return p
	}, nothingLeft)
}

func newEngine(*testing.T) deploy.Engine { return docker.New() }

// needDaemon skips a test where no containers can be had.
func needDaemon(t *testing.T) {
	t.Helper()
	if _, err := docker.Version(t.Context()); err != nil {
		t.Skip("needs Docker: ", err)
	}
}

// nothingLeft asks the daemon, past the engine, for what carries a run's label.
func nothingLeft(t *testing.T, run string) {
	t.Helper()
	c, err := client.New(client.FromEnv)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	of := client.Filters{}.Add("label", "dev.bedlam.run="+run)
	containers, err := c.ContainerList(t.Context(), client.ContainerListOptions{All: true, Filters: of})
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range containers.Items {
		t.Errorf("container %v is left (%s)", found.Names, found.State)
	}
	networks, err := c.NetworkList(t.Context(), client.NetworkListOptions{Filters: of})
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range networks.Items {
		t.Errorf("network %s is left", found.Name)
	}
	volumes, err := c.VolumeList(t.Context(), client.VolumeListOptions{Filters: of})
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range volumes.Items {
		t.Errorf("volume %s is left", found.Name)
	}
}
