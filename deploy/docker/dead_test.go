package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"syscall"
	"testing"

	"github.com/moby/moby/client"

	"github.com/bedlamlab/bedlam/deploy"
)

// tested is what the tests call their runs: by the process that they run in.
var tested = regexp.MustCompile(`^(?:enginetest|lab)-(\d+)-`)

// sweepDead removes what test programs left that were killed, or panicked: no
// guard watches over a test, so the next one does.
func sweepDead(ctx context.Context, d *daemon) error {
	runs := map[string]bool{}
	note := func(labels map[string]string) {
		m := tested.FindStringSubmatch(labels[deploy.LabelRun])
		if m == nil {
			return
		}
		if pid, err := strconv.Atoi(m[1]); err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			runs[labels[deploy.LabelRun]] = true
		}
	}
	containers, err := d.api.ContainerList(ctx, client.ContainerListOptions{All: true})
	if err != nil {
		return err
	}
	for _, c := range containers.Items {
		note(c.Labels)
	}
	volumes, err := d.api.VolumeList(ctx, client.VolumeListOptions{})
	if err != nil {
		return err
	}
	for _, v := range volumes.Items {
		note(v.Labels)
	}
	networks, err := d.api.NetworkList(ctx, client.NetworkListOptions{})
	if err != nil {
		return err
	}
	for _, n := range networks.Items {
		note(n.Labels)
	}
	var errs []error
	for run := range runs {
		fmt.Fprintln(os.Stderr, "removing what a dead test left: "+run)
		errs = append(errs, d.sweep(ctx, run))
	}
	return errors.Join(errs...)
}

// TestDeadTestsAreSweptAway leaves a container of a test program that is dead,
// and one of this one.
func TestDeadTestsAreSweptAway(t *testing.T) {
	l := newLab(t)
	gone := exec.Command("true")
	l.must(gone.Run())
	dead := fmt.Sprintf("enginetest-%d-1", gone.Process.Pid)
	for _, run := range []string{dead, l.run} {
		_, err := l.create(l.ctx, spec{Run: run, Instance: "front-1", Image: l.image(), Command: []string{"/shop", "live"}})
		l.must(err)
	}
	l.must(sweepDead(l.ctx, l.daemon))
	for run, want := range map[string]int{dead: 0, l.run: 1} {
		if left, err := l.left(l.ctx, run); err != nil || len(left.containers) != want {
			t.Errorf("of %s there is %+v, %v; want %d containers (this is process %d)", run, left, err, want, os.Getpid())
		}
	}
}
