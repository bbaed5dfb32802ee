package docker

import (
	"context"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

// askPause is the time between two health commands in one guest. Each starts a
// process there, which is paid for out of what its owner lets it take; once a
// second is as often as the shop's own containers ask at the most.
const askPause = time.Second

// A question is the health command of one guest, asked again and again: never a
// second time while the first is not answered, because nothing that runs in a
// container can be ended from outside without the container.
type question struct {
	mu    sync.Mutex
	began time.Time // zero: never
	life  time.Time // when the container began the life that it was asked in
	exec  string    // the daemon's name for it
}

// ask asks the container in v, or waits for the answer to what was asked just
// now. When ctx is done the question stays, for the next one who asks.
func (q *question) ask(ctx context.Context, d *daemon, v view) error {
	exec, err := q.put(ctx, d, v)
	if err != nil {
		return err
	}
	return d.ended(ctx, exec, v.Health[0], nil)
}

// put returns the question that is to be waited for.
func (q *question) put(ctx context.Context, d *daemon, v view) (string, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.exec != "" && q.life.Equal(v.Started) {
		if time.Since(q.began) < askPause {
			return q.exec, nil
		}
		got, err := d.api.ExecInspect(ctx, q.exec, client.ExecInspectOptions{})
		if err != nil && !errdefs.IsNotFound(err) { // the daemon forgets those that have ended
			return "", err
		}
		if err == nil && got.Running {
			return q.exec, nil
		}
	}
	made, err := d.api.ExecCreate(ctx, v.ID, client.ExecCreateOptions{Cmd: v.Health})
	if err != nil {
		return "", plain(err)
	}
	// From here on there is a question, whether or not we hear of its start.
	q.began, q.life, q.exec = time.Now(), v.Started, made.ID
	_, err = d.api.ExecStart(ctx, made.ID, client.ExecStartOptions{Detach: true})
	return made.ID, plain(err)
}
