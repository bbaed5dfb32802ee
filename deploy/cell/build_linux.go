package cell

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bedlamlab/bedlam/deploy/lan"
)

// Check reports why this machine has no cells, without touching anything: the
// error wraps [errors.ErrUnsupported] and says what would give them.
func Check() error {
	lack := func(missing, remedy string) error {
		return fmt.Errorf("%s (%s): %w", missing, remedy, errors.ErrUnsupported)
	}
	if os.Geteuid() != 0 {
		return lack("instances cannot be isolated without root", "run it as root, with CAP_SYS_ADMIN and CAP_NET_ADMIN")
	}
	have, err := capabilities()
	if err != nil {
		return err
	}
	for name, bit := range map[string]uint{"CAP_SYS_ADMIN": unix.CAP_SYS_ADMIN, "CAP_NET_ADMIN": unix.CAP_NET_ADMIN} {
		if have&(1<<bit) == 0 {
			return lack("instances cannot be isolated without "+name, "if this is a container, run it with --privileged")
		}
	}
	roots, err := hierarchies()
	if err != nil {
		return err
	}
	for _, controller := range needed {
		root, ok := roots[controller]
		if v2, is := roots[""]; is {
			root, ok = v2, true
		}
		if !ok {
			return lack("no cgroup limits "+controller+" here", "mount its hierarchy below /sys/fs/cgroup")
		}
		var st unix.Statfs_t
		if err := unix.Statfs(root, &st); err != nil || st.Flags&unix.ST_RDONLY != 0 {
			return lack("the cgroups in "+root+" are read-only", "if this is a container, run it with --privileged")
		}
	}
	return nil
}

// capabilities returns the effective ones of this process.
func capabilities() (uint64, error) {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if text, ok := strings.CutPrefix(line, "CapEff:"); ok {
			var have uint64
			_, err := fmt.Sscanf(text, "%x", &have)
			return have, err
		}
	}
	return 0, errors.New("/proc/self/status does not tell the capabilities")
}

// Build makes a cell for each inmate, all of them on one bridge whose address
// is the network's gateway. On error nothing is left.
func Build(ctx context.Context, run string, n lan.Net, inmates []Inmate) (cells []Cell, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("isolating the instances: %w", err), Sweep(context.WithoutCancel(ctx), run))
		}
	}()
	bridge, err := makeBridge(run, n)
	if err != nil {
		return nil, err
	}
	for i, in := range inmates {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		c, err := At(run, in.Name)
		if err != nil {
			return nil, err
		}
		if err := c.makeCgroups(in); err != nil {
			return nil, fmt.Errorf("making the cgroups of %s: %w", in.Name, err)
		}
		if err := c.makeNet(run, fmt.Sprintf("%s.%d", bridgeName(run), i), bridge, in, n.Subnet.Bits()); err != nil {
			return nil, err
		}
		cells = append(cells, c)
	}
	return cells, nil
}

// Sweep removes all that [Build] has made for a run, and returns when a
// read-back shows that nothing is left. It is idempotent. Whoever lived in the
// cells has ended. Who cannot make any has none to remove.
func Sweep(ctx context.Context, run string) error {
	if err := Check(); errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	if err := errors.Join(sweepCgroups(ctx, run), sweepNet(run)); err != nil {
		return fmt.Errorf("removing the cells of run %s: %w", run, err)
	}
	return nil
}

// Left names what there is of a run's cells.
func Left(run string) ([]string, error) {
	left, err := filepath.Glob(filepath.Join(netFolder, pinName(escaped(run), "*")))
	if err != nil {
		return nil, err
	}
	links, err := ownLinks(run)
	if err != nil {
		return nil, err
	}
	for _, l := range links {
		left = append(left, "link "+l.Attrs().Name)
	}
	roots, err := hierarchies()
	for _, root := range roots {
		if at := filepath.Join(root, cgroupName(run)); exists(at) {
			left = append(left, at)
		}
	}
	return left, err
}

// escaped is a run's name in a pattern. A name of ours needs nothing, and one
// that does finds nothing but itself.
func escaped(run string) string {
	return strings.NewReplacer("*", `\*`, "?", `\?`, "[", `\[`, `\`, `\\`).Replace(run)
}

// ours reports whether a link of that name belongs to the run.
func ours(link, run string) bool {
	name := bridgeName(run)
	return link == name || strings.HasPrefix(link, name+".")
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
