package docker

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/bedlamlab/bedlam/deploy/guard"
	"github.com/bedlamlab/bedlam/deploy/postgres"
)

// StoreImage returns the reference of the image that this engine's stores run,
// for those who start containers by themselves: its entry is a PostgreSQL that
// [postgres.OptionsEnv] describes. It is made if it is not there, of the
// official image or of this machine's PostgreSQL; bedlam is the path of the
// static program bedlam. progress, which may be nil, is told what takes long.
func StoreImage(ctx context.Context, bedlam string, progress func(string)) (string, error) {
	cache, err := postgres.CacheDir()
	if err != nil {
		return "", err
	}
	d, err := connect(ctx)
	if err != nil {
		return "", err
	}
	defer d.close()
	return d.ownStoreImage(ctx, cache, bedlam, progress)
}

// ownStoreImage is storeImage for nobody's run. It is entered as one as long as
// it takes: should this process be killed, the next heal removes the container
// in which the image was being made.
func (d *daemon) ownStoreImage(ctx context.Context, cache, bedlam string, progress func(string)) (ref string, err error) {
	state, err := guard.StateDir()
	if err != nil {
		return "", err
	}
	run := "image-" + strings.ToLower(rand.Text())
	// There is no such folder, which a sweep takes for one that is lost.
	scratch := filepath.Join(os.TempDir(), "bedlam-"+run)
	entry, err := guard.Register(state, guard.Run{ID: run, Engine: New().Name(), Scratch: scratch, Program: bedlam, PID: os.Getpid(), Started: time.Now()})
	if err != nil {
		return "", err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTime)
		defer cancel()
		e := d.empty(ctx, run, 1)
		if e == nil { // else the entry stays, for a heal
			e = entry.Close()
		}
		err = errors.Join(err, e)
	}()
	return d.storeImage(ctx, run, cache, bedlam, progress)
}
