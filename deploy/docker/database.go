package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/containerd/errdefs"
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
	if why := d.pull(ctx, pullAnswer, pullTime, progress); why != nil {
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

func (p program) short() string { return fmt.Sprintf("%x", p.digest[:6]) }

// made returns a finished image with that program; empty if there is none.
func (d *daemon) made(ctx context.Context, p program) (string, error) {
	all, err := d.api.ImageList(ctx, client.ImageListOptions{Filters: client.Filters{}.
		Add("label", deploy.LabelImage+"=postgres", deploy.LabelProgram+"="+imageFormat+"-"+p.short())})
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

// settings are what both kinds of image have in common.
func settings(p program) spec1.ImageConfig {
	return spec1.ImageConfig{
		User:       fmt.Sprintf("%d:%[1]d", storeID),
		Env:        []string{"BEDLAM_CACHE=" + storeCache},
		Entrypoint: storeCommand,
		WorkingDir: "/",
		StopSignal: "SIGINT",
		Labels:     map[string]string{deploy.LabelImage: "postgres", deploy.LabelProgram: imageFormat + "-" + p.short()},
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
