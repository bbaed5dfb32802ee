package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/bedlamlab/bedlam/deploy"
)

const (
	// pullAnswer is how long a registry may take to say that it has an image,
	// and pullTime to deliver it: 150 MB at 10 Mbit/s. Where it takes longer,
	// an image of the machine's own programs is made within seconds.
	pullAnswer = 10 * time.Second
	pullTime   = 2 * time.Minute
)

// pull fetches the official image. Its registry has so long to answer, and so
// long until all of it is there.
func (d *daemon) pull(ctx context.Context, answer, all time.Duration, progress func(string)) error {
	say(progress, "asking for the image "+d.official)
	ctx, cancel := context.WithTimeoutCause(ctx, all, fmt.Errorf("it has not come within %s", all))
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	slow := time.AfterFunc(answer, func() { stop(fmt.Errorf("no answer within %s", answer)) })
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

// derive makes the image out of the official one: it adds ours, has PostgreSQL
// make its template, and keeps what has become of it. The container in which
// that happens is the run's until it is removed.
func (d *daemon) derive(ctx context.Context, run, base string, p program, progress func(string)) (_ string, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("making one out of %s: %w", d.official, err)
		}
	}()
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
	s.Labels[deploy.LabelRun], s.Labels[deploy.LabelInstance] = "", ""
	_, err = d.api.ContainerCommit(ctx, id, client.ContainerCommitOptions{Reference: ref, NoPause: true, Config: &container.Config{
		User: s.User, Env: s.Env, Entrypoint: s.Entrypoint, Cmd: []string{}, WorkingDir: s.WorkingDir, StopSignal: s.StopSignal, Labels: s.Labels,
	}})
	if err == nil {
		_, err = d.touch(ctx, ref)
	}
	return ref, err
}
