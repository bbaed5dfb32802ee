package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/bedlamlab/bedlam/deploy/impair"
)

// quota has the daemon leave a container so much of the processors' time. It
// keeps that from one life to the next; whether the kernel does, is asked in the
// container.
type quota struct{ *hands }

var _ way = quota{}

// A share is what a container may take of the processors, in microseconds of each
// period, as the daemon says it: 0 or less of Quota is no limit.
type share struct {
	Quota  int64 `json:"quota"`
	Period int64 `json:"period"`
}

// none is how a daemon is told that there is no limit: 0 means that it stays.
const none = -1

func (s share) limited() bool { return s.Quota > 0 && s.Period > 0 }

// wanted is the share that a job leaves.
func wanted(j impair.Job) (share, error) {
	var q impair.Quota
	err := json.Unmarshal(j.Impairment.Args, &q)
	per := impair.QuotaPeriod.Microseconds()
	return share{int64(q.CPUs * float64(per)), per}, err
}

func (q quota) can(ctx context.Context, _ impair.Job, _ view) error {
	got, err := q.daemon.api.Info(ctx, client.InfoOptions{})
	if err == nil && !got.Info.CPUCfsQuota {
		err = impair.Lacks("the daemon's kernel has no quotas of the processors' time", "one with CONFIG_CFS_BANDWIDTH")
	}
	return err
}

func (q quota) do(ctx context.Context, j impair.Job, v view, save func(json.RawMessage) error) error {
	want, err := wanted(j)
	if err != nil {
		return err
	}
	if s := v.Share; s.limited() && s.Quota*want.Period <= want.Quota*s.Period {
		return fmt.Errorf("it may not take more than that already: %d of each %d microseconds", s.Quota, s.Period)
	}
	before, err := json.Marshal(v.Share)
	if err == nil {
		err = save(before)
	}
	if err == nil {
		err = q.set(ctx, v, want)
	}
	if err != nil {
		return err
	}
	shows, err := q.shows(ctx, j, v)
	if err == nil && !shows {
		err = errors.New("it was done without an error, and the kernel does not show it")
	}
	return err
}

func (q quota) undo(ctx context.Context, j impair.Job, v view) error {
	if len(j.Before) == 0 {
		return nil // it was never begun
	}
	var was share
	if err := json.Unmarshal(j.Before, &was); err != nil {
		return err
	}
	if err := q.set(ctx, v, was); err != nil {
		return err
	}
	shows, err := q.shows(ctx, j, v)
	if err == nil && shows {
		err = errors.New("it was undone without an error, and the kernel still shows it")
	}
	return err
}

func (q quota) set(ctx context.Context, v view, s share) error {
	if !s.limited() {
		s.Quota = none
	}
	if s.Period == 0 {
		s.Period = period
	}
	_, err := q.daemon.api.ContainerUpdate(ctx, v.ID, client.ContainerUpdateOptions{Resources: &container.Resources{CPUPeriod: s.Period, CPUQuota: s.Quota}})
	if err != nil {
		return fmt.Errorf("updating container: %w", plain(err))
	}
	return nil
}

// shows asks the kernel, or of a container that is down or stands still the
// daemon, what its next moment will have.
func (q quota) shows(ctx context.Context, j impair.Job, v view) (bool, error) {
	now, err := q.daemon.inspect(ctx, v.ID)
	if err != nil {
		return false, err
	}
	if now.Running && !now.Paused {
		return within(q).shows(ctx, j, now)
	}
	want, err := wanted(j)
	return now.Share == want, err
}
