package impair

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/bedlamlab/bedlam/deploy"
)

func init() {
	register(MemoryBalloon, func(i deploy.Impairment) (Harm, error) {
		var b Balloon
		return memoryBalloon{&b}, arguments(i.Args, &b, func() error { return b.Validate() })
	})
}

// memoryBalloon is a holder in the instance's cgroup that has taken memory.
type memoryBalloon struct{ *Balloon }

var _ Held = memoryBalloon{}

// reserve is what is left besides: for the holder itself, and for what the
// instance takes while the balloon is blown up.
const reserve = 8 << 20

// Can implements [Harm].
func (b memoryBalloon) Can(t Target) error {
	g, err := own(t, "memory", "memory")
	if err != nil {
		return err
	}
	if _, err := g.limit(); err != nil {
		return err
	}
	return g.has("cgroup.procs")
}

// limit is how much memory the cgroup may have.
func (g Cgroup) limit() (int64, error) {
	file := "memory.limit_in_bytes"
	if g.V2 {
		file = "memory.max"
	}
	text, err := g.read(file)
	if err != nil {
		return 0, err
	}
	most, err := strconv.ParseInt(text, 10, 64)
	if none := err != nil || most >= unlimited; none {
		return 0, Lacks("its memory has no limit of which this could be a share", "a limit in the topology")
	}
	return most, nil
}

// unlimited is below what the kernel says of no limit with cgroups v1, and
// above any machine's memory.
const unlimited = 1 << 60

// unreclaimable is how much the kernel could not take back from the cgroup.
func (g Cgroup) unreclaimable() (int64, error) {
	usage, prefix := "memory.usage_in_bytes", "total_"
	if g.V2 {
		usage, prefix = "memory.current", ""
	}
	n, err := g.Number(usage, "")
	for _, files := range []string{"active_file", "inactive_file"} {
		back, e := g.Number("memory.stat", prefix+files)
		n, err = n-back, errors.Join(err, e)
	}
	return n, err
}

// size is how many bytes the share of a limit is, in whole pages.
func (b memoryBalloon) size(limit int64) int64 {
	page := int64(os.Getpagesize())
	return int64(float64(limit)*b.Memory.Share()) / page * page
}

// Apply implements [Harm]: the holder is all of it.
func (b memoryBalloon) Apply(context.Context, Target, func(any) error) error { return nil }

// Undo implements [Harm]: it ends with its holder.
func (b memoryBalloon) Undo(context.Context, Target, json.RawMessage) error { return nil }

// Shows implements [Harm]: somebody in the cgroup has that much.
func (b memoryBalloon) Shows(_ context.Context, t Target) (bool, error) {
	g, err := own(t, "memory", "memory")
	if err != nil || g.gone() {
		return false, err
	}
	limit, err := g.limit()
	if err != nil {
		return false, err
	}
	taken, err := g.ballooned()
	return taken >= b.size(limit), err
}

// Hold implements [Held].
func (b memoryBalloon) Hold(ctx context.Context, t Target, ready func()) error {
	g, err := own(t, "memory", "memory")
	if err != nil {
		return err
	}
	limit, err := g.limit()
	if err != nil {
		return err
	}
	has, err := g.unreclaimable()
	if err != nil {
		return err
	}
	size := b.size(limit)
	if has+size+reserve > limit {
		return fmt.Errorf("it would not fit: the instance has %d of its %d MiB, and these are %d more", has>>20, limit>>20, size>>20)
	}
	if err := g.enter(balloonName); err != nil {
		return err
	}
	taken, err := unix.Mmap(-1, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_POPULATE)
	if err != nil {
		return fmt.Errorf("taking %d bytes: %w", size, err)
	}
	defer unix.Munmap(taken)
	unix.Mlock(taken) // where it may: what is swapped out presses nobody
	ready()
	<-ctx.Done()
	return nil
}
