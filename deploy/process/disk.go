package process

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/bedlamlab/bedlam/deploy/disk"
	"github.com/bedlamlab/bedlam/deploy/postgres"
)

// disked reports whether an instance has a disk of its own.
func (m machine) disked(instance string) bool { return m.desc.Disked(instance) }

// disk is the disk of an instance, if it is to have one.
func (m machine) disk(instance string) disk.Disk { return disk.At(m.Scratch, instance) }

// disks makes the folders in which the disks are served.
func (m machine) disks() error {
	for _, name := range m.desc.Names() {
		if !m.disked(name) {
			continue
		}
		// PostgreSQL's account passes through while the files are laid out.
		if err := os.MkdirAll(filepath.Dir(m.disk(name).Files), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// plug makes sure that a store's folder is a disk which somebody serves. The
// first time, and if who served it has died, it is laid out by what is really
// there: nothing of the store lives then.
func (m machine) plug(ctx context.Context, instance string, o postgres.Options, lay func(context.Context, postgres.Options) error) error {
	if !m.disked(instance) {
		return nil
	}
	d := m.disk(instance)
	ended, err := d.Plug(ctx, m.desc.Bedlam, func(ctx context.Context) error {
		o.Dir = d.Files
		return lay(ctx, o)
	})
	if err != nil || ended == nil {
		return err
	}
	go func() {
		<-ended
		// Whoever has files open there would hang on to a disk that is no more.
		ctx, cancel := context.WithTimeout(context.Background(), killTime)
		defer cancel()
		m.pack(instance, identity{}).kill(ctx) // an error is its next start's
	}()
	return nil
}

// unplug takes the run's disks away. Nobody stands on them any more.
func (m machine) unplug(ctx context.Context) error { return disk.Sweep(ctx, m.Scratch) }

// files is where an instance's own files really stand, also when its disk is gone.
func (m machine) files(instance string) string {
	if m.disked(instance) {
		return m.disk(instance).Files
	}
	return m.Folder(instance)
}

// Files implements [deploy.Filer].
func (s system) Files(instance string) (own, beside string, err error) {
	m := s.machine
	if _, ok := m.desc.Layout.Own[instance]; !ok {
		return "", "", fmt.Errorf("unknown instance %q", instance)
	}
	return m.Folder(instance), m.Scratch, nil
}
