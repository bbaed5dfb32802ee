package docker

import (
	"context"
	"crypto/rand"
	"strings"

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
	return d.storeImage(ctx, "image-"+strings.ToLower(rand.Text()), cache, bedlam, progress)
}
