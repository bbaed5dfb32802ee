package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/disk"
	"github.com/bedlamlab/bedlam/deploy/impair"
	"github.com/bedlamlab/bedlam/deploy/postgres"
	"github.com/bedlamlab/bedlam/deploy/supervise"
)

// disk is the disk of a store, if it is to have one: a folder of this machine
// that its container finds in the place of its volume.
func (m *machine) disk(instance string) disk.Disk { return disk.At(m.files.Scratch, instance) }

// disks makes the folders of the stores' disks, which are the stores' own
// account's.
func (m *machine) disks() error {
	for _, in := range m.desc.Topology.Instances() {
		if !m.desc.Disked(in.Name) {
			continue
		}
		d := m.disk(in.Name)
		err := errors.Join(os.MkdirAll(d.Files, 0o700), os.Mkdir(d.Folder, 0o700))
		if err == nil {
			err = os.Chown(d.Files, storeID, storeID)
		}
		if err != nil {
			return fmt.Errorf("laying out the disk of %s: %w", in.Name, err)
		}
	}
	return nil
}

// plug makes sure that somebody serves a store's disk, if it is to have one,
// before its container starts: it finds there what is mounted then.
func (m *machine) plug(ctx context.Context, instance string) error {
	if !m.desc.Disked(instance) {
		return nil
	}
	ended, err := m.disk(instance).Plug(ctx, m.desc.Bedlam, func(context.Context) error { return nil })
	if err != nil || ended == nil {
		return err
	}
	go func() {
		<-ended
		// Whoever has files open there would hang on to a disk that is no more.
		ctx, cancel := context.WithTimeout(context.Background(), endMost)
		defer cancel()
		m.Kill(ctx, instance) // an error is its next start's
	}()
	return nil
}

// unplug takes a run's disks away. No container stands on them any more.
func unplug(ctx context.Context, f supervise.Files) error { return disk.Sweep(ctx, f.Scratch) }

// Files implements [deploy.Filer].
func (s exhaustible) Files(instance string) (own, beside string, err error) {
	m := s.machine
	if !m.desc.Disked(instance) {
		return "", "", fmt.Errorf("%s has no disk of its own: %w", instance, errors.ErrUnsupported)
	}
	d := m.disk(instance)
	// A daemon that sees other mounts than we do has given it the bare folder.
	if _, err := os.Stat(filepath.Join(postgres.Data(d.Files), "PG_VERSION")); err != nil {
		return "", "", fmt.Errorf("%s does not keep its files on its disk: does the Docker daemon see this machine's mounts? %w", instance, errors.ErrUnsupported)
	}
	return d.Folder, m.files.Scratch, nil
}

// here does a job from this process, to the disk of a store.
type here struct{ impair.Hands }

var (
	_ way          = here{}
	_ deploy.Filer = exhaustible{}
)

func (h here) can(ctx context.Context, j impair.Job, _ view) error { return h.Can(ctx, j) }

func (h here) do(ctx context.Context, j impair.Job, _ view, save func(json.RawMessage) error) error {
	return h.Do(ctx, j, save)
}

func (h here) undo(ctx context.Context, j impair.Job, _ view) error { return h.Undo(ctx, j) }

func (h here) shows(ctx context.Context, j impair.Job, _ view) (bool, error) { return h.Shows(ctx, j) }
