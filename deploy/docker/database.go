package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	spec1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/postgres"
)

// official is PostgreSQL's own image: the newest major version that has had a
// year of patches. Its programs stand where Debian's do and its account is
// storeID.
const official = "postgres:17"

// A store's image, whichever it is made of, has these.
const (
	storeDir   = "/var/lib/bedlam"   // belongs to the server's account: where a volume goes, and postgres.Options.Dir
	storeCache = "/var/cache/bedlam" // holds the template
	storeID    = 999                 // uid and gid that the server runs under
)

// storeCommand is what a store's container runs; [storeEnv] says as what.
var storeCommand = []string{"/bedlam", "store"}

// storeEnv describes a store to its container.
func storeEnv(o postgres.Options) (string, error) {
	b, err := json.Marshal(o)
	return postgres.OptionsEnv + "=" + string(b), err
}

// storeReady asks once whether a store answers and has its roles, of which the
// audit's comes with all the others: the superuser is let in before.
func storeReady(ctx context.Context, o postgres.Options) error {
	return postgres.Ready(ctx, postgres.DSN(o, deploy.AuditRole))
}

const (
	// pullAnswer is how long a registry may take to say that it has an image,
	// and pullTime to deliver it: 150 MB at 10 Mbit/s. Where it takes longer,
	// an image of the machine's own programs is made within seconds.
	pullAnswer = 10 * time.Second
	pullTime   = 2 * time.Minute
)

// storeImage returns the reference of an image that runs PostgreSQL by
// [storeCommand], and makes it if it is not there: of PostgreSQL's official
// image if the daemon has it or can fetch it, else of the programs that
// [postgres.Find] finds or fetches with that cache.
func (d *daemon) storeImage(ctx context.Context, run, cache, bedlam string, progress func(string)) (string, error) {
	fail := func(err error) (string, error) { return "", fmt.Errorf("the stores' image: %w", err) }
	if run == "" {
		return fail(errNoRun)
	}
	p, err := static(bedlam)
	if err != nil {
		return fail(err)
	}
	ref, err := d.store(ctx, run, cache, p, progress)
	if err != nil {
		return fail(err)
	}
	d.retire(ctx, "postgres", ref, idle)
	return ref, nil
}

func (d *daemon) store(ctx context.Context, run, cache string, p program, progress func(string)) (string, error) {
	base, err := d.api.ImageInspect(ctx, d.official)
	if err == nil {
		return d.derive(ctx, run, base.ID, p, progress)
	}
	if !errdefs.IsNotFound(err) {
		return "", err
	}
	// What was made once is not made again because a registry might answer
	// today.
	if ref, err := d.made(ctx, p); err != nil || ref != "" {
		return ref, err
	}
	if why := d.pull(ctx, progress); why != nil {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		ref, err := d.assemble(ctx, cache, p, progress)
		if err != nil {
			return "", fmt.Errorf("%w (and %s cannot be fetched: %w)", err, d.official, why)
		}
		return ref, nil
	}
	if base, err = d.api.ImageInspect(ctx, d.official); err != nil {
		return "", err
	}
	return d.derive(ctx, run, base.ID, p, progress)
}

// programLabel says which bedlam an image holds.
const programLabel = "dev.bedlam.program"

func (p program) short() string { return fmt.Sprintf("%x", p.digest[:6]) }

// made returns a finished image with that program; empty if there is none.
func (d *daemon) made(ctx context.Context, p program) (string, error) {
	all, err := d.api.ImageList(ctx, client.ImageListOptions{Filters: client.Filters{}.
		Add("label", imageLabel+"=postgres", programLabel+"="+imageFormat+"-"+p.short())})
	if err != nil {
		return "", err
	}
	for _, image := range all.Items {
		for _, ref := range ours("postgres", image.RepoTags) {
			if there, err := d.touch(ctx, ref); there || err != nil {
				return ref, err
			}
		}
	}
	return "", nil
}

// pull fetches the official image, within bounds.
func (d *daemon) pull(ctx context.Context, progress func(string)) error {
	say(progress, "asking for the image "+d.official)
	ctx, cancel := context.WithTimeoutCause(ctx, pullTime, fmt.Errorf("it has not come within %s", pullTime))
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	slow := time.AfterFunc(pullAnswer, func() { stop(fmt.Errorf("no answer within %s", pullAnswer)) })
	report, err := d.api.ImagePull(ctx, d.official, client.ImagePullOptions{})
	slow.Stop()
	if err == nil {
		say(progress, "fetching the image "+d.official)
		err = said(report)
		report.Close()
	}
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// settings are what both kinds of image have in common.
func settings(p program) spec1.ImageConfig {
	return spec1.ImageConfig{
		User:       fmt.Sprintf("%d:%[1]d", storeID),
		Env:        []string{"BEDLAM_CACHE=" + storeCache},
		Entrypoint: storeCommand,
		WorkingDir: "/",
		StopSignal: "SIGINT",
		Labels:     map[string]string{imageLabel: "postgres", programLabel: imageFormat + "-" + p.short()},
	}
}

// furniture is what lies over PostgreSQL's own files in both kinds.
func furniture(p program) layer {
	return layer{
		{path: "/bedlam", mode: 0o755, from: p.path},
		{path: storeCache, mode: 0o700, uid: storeID},
		{path: storeDir, mode: 0o700, uid: storeID},
	}
}

// assemble makes the image out of a PostgreSQL of this machine.
func (d *daemon) assemble(ctx context.Context, cache string, p program, progress func(string)) (string, error) {
	var tried []error
	for _, source := range []postgres.Source{postgres.System, postgres.Packages, postgres.Download} {
		install, err := postgres.Find(ctx, cache, progress, source)
		if err == nil {
			var files []postgres.File
			if files, err = install.Bundle(ctx, storeCache, storeID); err == nil {
				return d.furnish(ctx, install.Version, files, p, progress)
			}
		}
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		tried = append(tried, err)
	}
	return "", errors.Join(tried...)
}

func (d *daemon) furnish(ctx context.Context, version string, files []postgres.File, p program, progress func(string)) (string, error) {
	below := layer{
		// initdb wants to know the account's name.
		{path: "/etc/passwd", mode: 0o644, text: accounts("postgres", storeID, storeDir)},
		{path: "/etc/group", mode: 0o644, text: fmt.Sprintf("root:x:0:\npostgres:x:%d:\n", storeID)},
		{path: "/etc/nsswitch.conf", mode: 0o644, text: "passwd: files\ngroup: files\nhosts: files dns\n"},
		{path: "/tmp", mode: 0o777 | fs.ModeSticky},
	}
	for _, f := range files {
		e := entry{path: f.Path, mode: f.Mode, from: f.From, link: f.Link}
		if f.Owned {
			e.uid = storeID
		}
		below = append(below, e)
	}
	say(progress, "making an image out of PostgreSQL "+version)
	sum, _, err := below.measure()
	if err != nil {
		return "", err
	}
	a := archive{tag: tag("postgres", []byte(sum), p.digest[:]), config: settings(p), layers: []layer{below, furniture(p)}}
	a.config.Env = append(a.config.Env, "PATH=/usr/bin:/bin")
	return a.tag, d.have(ctx, a, progress)
}

// derive makes the image out of the official one: it adds ours, has PostgreSQL
// make its template, and keeps what has become of it. The container in which
// that happens is the run's until it is removed.
func (d *daemon) derive(ctx context.Context, run, base string, p program, progress func(string)) (_ string, err error) {
	ref := tag("postgres", []byte(base), p.digest[:])
	if there, err := d.touch(ctx, ref); there || err != nil {
		return ref, err
	}
	say(progress, "making an image out of "+d.official)
	s := settings(p)
	id, err := d.create(ctx, spec{
		Run: run, Instance: "image", Image: base, User: s.User, Env: s.Env,
		Command: append(storeCommand[:len(storeCommand):len(storeCommand)], "--prepare"),
	})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, d.remove(context.WithoutCancel(ctx), id)) }()
	r, w := io.Pipe()
	go func() { w.CloseWithError(furniture(p).write(w)) }()
	_, err = d.api.CopyToContainer(ctx, id, client.CopyToContainerOptions{DestinationPath: "/", Content: r})
	r.Close()
	if err != nil {
		return "", err
	}
	if err := d.start(ctx, id); err != nil {
		return "", err
	}
	ended, err := d.wait(ctx, id)
	if err != nil {
		return "", err
	}
	if ended.Code != 0 {
		return "", fmt.Errorf("making its template ended with code %d: %s", ended.Code, d.lastWords(ctx, id))
	}
	// An image inherits its container's labels, but for those that it has
	// itself: this one is nobody's.
	s.Labels[runLabel], s.Labels[instanceLabel] = "", ""
	_, err = d.api.ContainerCommit(ctx, id, client.ContainerCommitOptions{Reference: ref, NoPause: true, Config: &container.Config{
		User: s.User, Env: s.Env, Entrypoint: s.Entrypoint, Cmd: []string{}, WorkingDir: s.WorkingDir, StopSignal: s.StopSignal, Labels: s.Labels,
	}})
	return ref, err
}
