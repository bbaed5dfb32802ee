package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"github.com/bedlamlab/bedlam/deploy"
)

// Everything of a run goes, in whatever state it is, and nothing of anybody
// else.
func TestSweep(t *testing.T) {
	l := newLab(t)
	l.image()
	others := bystanders(t, l)

	n, _ := l.net()
	var all errgroup.Group
	for i := range 25 {
		all.Go(func() error {
			ip, err := n.Address(i + 1)
			if err != nil {
				return err
			}
			id, err := l.create(l.ctx, spec{
				Run: l.run, Instance: fmt.Sprintf("front-%d", i), Image: l.image(), Command: []string{"/shop", "live"},
				Network: n.ID, IP: ip, Volume: map[string]string{fmt.Sprintf("bedlam-%s-%d", l.run, i%5): "/data"},
			})
			if err == nil && i%5 != 0 { // some are never started
				err = l.start(l.ctx, id)
			}
			if err == nil && i%5 == 1 {
				err = l.pause(l.ctx, id)
			}
			return err
		})
	}
	l.must(all.Wait())
	if left, err := l.left(l.ctx, l.run); err != nil || len(left.containers) != 25 || len(left.networks) != 1 || len(left.volumes) != 5 {
		t.Fatalf("the run has %+v, %v", left, err)
	}

	for _, what := range []string{"everything", "nothing"} {
		began := time.Now()
		l.must(l.sweep(l.ctx, l.run))
		t.Logf("%s was swept after %s", what, time.Since(began).Round(time.Millisecond)) // a figure to look at, not one to judge
		if left, err := l.left(l.ctx, l.run); err != nil || !left.none() {
			t.Fatalf("after the sweep there is %+v, %v", left, err)
		}
	}
	for what, there := range others {
		if !there() {
			t.Errorf("the sweep has harmed %s", what)
		}
	}
}

// bystanders makes things that are not the run's, some of which look like it.
// Each result says whether one is still as it was.
func bystanders(t *testing.T, l *lab) map[string]func() bool {
	t.Helper()
	all := map[string]func() bool{}
	image, err := l.api.ImageInspect(l.ctx, l.image())
	l.must(err)
	for what, labels := range map[string]map[string]string{
		"a container without a label":                nil,
		"a container of a run that begins like it":   {deploy.LabelRun: l.run + "-2"},
		"a container of a run that it begins like":   {deploy.LabelRun: l.run[:len(l.run)-1]},
		"a container of no run":                      {deploy.LabelRun: ""},
		"a container with another label of that run": {"dev.bedlam.runner": l.run, "run": l.run},
		"a container with the run's name in capital": {strings.ToUpper(deploy.LabelRun): l.run},
	} {
		o, err := spec{Run: "x", Instance: "x", Image: image.ID, Command: []string{"/shop", "live"}}.options()
		l.must(err)
		o.Config.Labels = labels
		made, err := l.api.ContainerCreate(l.ctx, o)
		l.must(err)
		l.must(l.start(l.ctx, made.ID))
		began := l.look(made.ID)
		t.Cleanup(func() { l.must(l.remove(context.Background(), made.ID)) })
		all[what] = func() bool {
			v, err := l.inspect(l.ctx, made.ID)
			return err == nil && v.Running && v.Started.Equal(began.Started)
		}
	}
	other := map[string]string{deploy.LabelRun: l.run + "-2"}
	made, err := l.api.NetworkCreate(l.ctx, "bedlam-"+l.run+"-bystander", client.NetworkCreateOptions{Labels: other})
	l.must(err)
	t.Cleanup(func() {
		_, err := l.api.NetworkRemove(context.Background(), made.ID, client.NetworkRemoveOptions{})
		l.must(err)
	})
	all["another run's network"] = func() bool {
		_, err := l.api.NetworkInspect(l.ctx, made.ID, client.NetworkInspectOptions{})
		return err == nil
	}
	volume := "bedlam-" + l.run + "-bystander"
	_, err = l.api.VolumeCreate(l.ctx, client.VolumeCreateOptions{Name: volume, Labels: other})
	l.must(err)
	t.Cleanup(func() {
		_, err := l.api.VolumeRemove(context.Background(), volume, client.VolumeRemoveOptions{})
		l.must(err)
	})
	all["another run's volume"] = func() bool {
		_, err := l.api.VolumeInspect(l.ctx, volume, client.VolumeInspectOptions{})
		return err == nil
	}
	committed, container := l.committed()
	all["an image that somebody made of one of the run's containers"] = func() bool {
		_, err := l.api.ImageInspect(l.ctx, committed)
		return err == nil
	}
	began := l.look(container)
	all["a container of that image"] = func() bool {
		v, err := l.inspect(l.ctx, container)
		return err == nil && v.Running && v.Started.Equal(began.Started)
	}
	all["the shop's image"] = func() bool {
		_, err := l.api.ImageInspect(l.ctx, image.ID)
		return err == nil
	}
	return all
}

// committed is what somebody has who takes a run's container for a pattern: an
// image of it, and a container of that image. Both inherit its labels.
func (l *lab) committed() (image, container string) {
	l.t.Helper()
	pattern := l.cast(spec{}, "live")
	made, err := l.api.ContainerCommit(l.ctx, pattern, client.ContainerCommitOptions{Reference: "bedlam/test:" + l.run})
	l.must(err)
	l.without("bedlam/test:" + l.run)
	l.must(l.remove(l.ctx, pattern))
	started, err := l.api.ContainerCreate(l.ctx, client.ContainerCreateOptions{Image: made.ID})
	l.must(err)
	l.t.Cleanup(func() { l.must(l.remove(context.Background(), started.ID)) })
	l.must(l.start(l.ctx, started.ID))
	if v := l.look(started.ID); v.Labels[deploy.LabelRun] != l.run {
		l.t.Fatalf("it has not inherited the label: %v", v.Labels)
	}
	return made.ID, started.ID
}

func TestSweepRefusesNoRun(t *testing.T) {
	l := newLab(t)
	if err := l.sweep(l.ctx, ""); !errors.Is(err, errNoRun) {
		t.Errorf("a sweep of no run: %v", err)
	}
	cut, cancel := context.WithCancelCause(l.ctx)
	cancel(errors.New("enough"))
	if err := l.sweep(cut, l.run); err == nil {
		t.Error("a sweep that was cut short says that nothing is left")
	}
}

// orphanEnv makes this test binary make containers without end, until it is
// killed. Its value is the run and the image.
const orphanEnv = "BEDLAM_TEST_ORPHANS"

// A client that is killed has asked for containers that the daemon is still
// making. The sweep that begins at once finds them, too.
func TestSweepAfterKill(t *testing.T) {
	if told := os.Getenv(orphanEnv); told != "" {
		run, image, _ := strings.Cut(told, " ")
		makeOrphans(run, image)
	}
	l := newLab(t)
	image := l.image()
	for _, made := range []int{1, 10} { // early and in the middle of it
		cmd := exec.Command(os.Args[0], "-test.run=^TestSweepAfterKill$")
		cmd.Env = append(os.Environ(), orphanEnv+"="+l.run+" "+image)
		out, err := cmd.StdoutPipe()
		l.must(err)
		l.must(cmd.Start())
		_, err = io.ReadFull(out, make([]byte, made)) // a byte for each
		cmd.Process.Kill()
		cmd.Wait()
		l.must(err)
		l.must(l.sweep(l.ctx, l.run))
		swept := time.Now()
		// Nobody could wait for something that may never come; a while that is
		// as long as the sweep's own says what there is to say.
		for time.Since(swept) < quiet {
			left, err := l.left(l.ctx, l.run)
			l.must(err)
			if !left.none() {
				t.Fatalf("%s after the sweep there is %+v", time.Since(swept), left)
			}
			time.Sleep(glance)
		}
	}
}

func makeOrphans(run, image string) {
	d, err := connect(context.Background())
	if err != nil {
		panic(err)
	}
	for worker := range 12 {
		go func() {
			for i := 0; ; i++ {
				s := spec{Run: run, Instance: fmt.Sprintf("orphan-%d-%d", worker, i), Image: image, Command: []string{"/shop", "live"}}
				if _, err := d.create(context.Background(), s); err == nil {
					os.Stdout.Write([]byte("."))
				}
			}
		}()
	}
	select {}
}
