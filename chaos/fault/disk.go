package fault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/topology"
)

// disks is what a harm to a disk asks an engine for: stores whose files are on
// one that can fail, and a way to them past the stores.
var disks = needs[deploy.Impairer]().onDisk().and(needs[deploy.Filer]()).and(needs[deploy.Inspector]())

// onDisk are stores, each of which has a disk of its own to harm.
type onDisk struct{ impaired }

// fits says what is wrong with the victims: only stores keep files.
func (f onDisk) fits(t topology.System) error {
	return f.each(func(in string) error {
		_, err := stores{f.victims}.of(t, in)
		return err
	})
}

// supported reports what is missing, before anything is touched.
func (f onDisk) supported(s deploy.System) error {
	if err := f.fits(s.Topology()); err != nil {
		return err
	}
	return f.impaired.supported(s)
}

// visit calls do for every victim with the folder of its files, and with one
// beside it on the machine's own disk.
func (f onDisk) visit(s deploy.System, do func(in, own, beside string) error) error {
	p, err := deploy.Power[deploy.Filer](s)
	if err != nil {
		return err
	}
	return f.each(func(in string) error {
		own, beside, err := p.Files(in)
		if err != nil {
			return err
		}
		return do(in, own, beside)
	})
}

// refuses wants a file of that many bytes to be refused by every victim's disk
// with that error, as a probe of ours sees it, and the same file to be taken
// beside it. It returns how many bytes that were.
func (f onDisk) refuses(ctx context.Context, s deploy.System, why syscall.Errno, size func(folder string) (int64, error)) (most int64, err error) {
	if err := f.shown(ctx, s); err != nil {
		return 0, err
	}
	err = f.visit(s, func(_, own, beside string) error {
		n, err := size(own)
		if err != nil {
			return err
		}
		most = max(most, n)
		switch err := write(own, n); {
		case err == nil:
			return fmt.Errorf("takes a file of %d bytes", n)
		case !errors.Is(err, why):
			return err
		}
		if err := write(beside, n); err != nil {
			return fmt.Errorf("beside it, the same fails as well: that it is this fault's doing cannot be told: %w", err)
		}
		return nil
	})
	return most, err
}

// takes wants every victim's disk to take a file, and the victim to be well.
func (f onDisk) takes(ctx context.Context, s deploy.System) (string, error) {
	err := f.visit(s, func(_, own, _ string) error { return write(own, sample) })
	if err != nil {
		return "", err
	}
	return f.inspect(ctx, s, well)
}

// sample is how much a probe writes where it is not much that matters, bytes: a
// few of a database's pages.
const sample = 64 << 10

// write writes a file of that many bytes into a folder, to the disk, and removes
// it.
func write(folder string, size int64) error {
	f, err := os.CreateTemp(folder, ".bedlam-probe-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	page := make([]byte, sample)
	for size > 0 && err == nil {
		var n int
		n, err = f.Write(page[:min(size, sample)])
		size -= int64(n)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// Met reports a failed statement at one of the victims.
func (f onDisk) Met(s collector.Span) bool { return f.victims.Met(s) }
