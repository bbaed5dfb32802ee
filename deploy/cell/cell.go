// Package cell gives processes of this machine a place of their own in the
// kernel: a network namespace with one link to the run's bridge, and cgroups
// with limits. It needs root and Linux; [Check] says what else is
// missing, and [Try] tries.
//
//	cells, err := cell.Build(run, net, inmates) // nothing runs in them yet
//	err = cells[0].Start(cmd)                   // in place of cmd.Start()
//	err = cell.Sweep(ctx, run)                  // when all have ended
//
// Everything is pinned, so that it outlives the processes in it, and carries the
// run's name, so that a sweep finds it without any record:
//
//	/run/netns/bedlam-RUN@NAME     a namespace, as `ip netns` knows it
//	bdlXXXXXXXX                    the bridge, with the gateway's address
//	bdlXXXXXXXX.N                  this machine's end of a link; the other is eth0
//	CGROUP/bedlam-RUN/NAME         in every hierarchy that is used
package cell

import (
	"crypto/sha256"
	"fmt"
	"net/netip"
	"path/filepath"

	"github.com/bedlamlab/bedlam/topology"
)

// Device is the only way out of a cell, beside the loopback.
const Device = "eth0"

// An Inmate is what a cell is made for.
type Inmate struct {
	Name    string
	Address netip.Addr
	Limits  topology.Limits // 0 is none
	Threads int             // at most; 0 is no limit
}

// A Cell is a place for the processes of one instance.
type Cell struct {
	Net string // path of its network namespace
	// Cgroups are its folders: by controller with cgroups v1, by "" with v2.
	Cgroups map[string]string
	// Resolver is a file that its processes find at /etc/resolv.conf, see
	// [CanResolve]; empty: this machine's.
	Resolver string
}

// At returns the cell of that name in a run, which is there or was: all of it
// follows from the names and this machine's cgroups.
func At(run, name string) (Cell, error) {
	c := Cell{Net: filepath.Join(netFolder, pinName(run, name)), Cgroups: map[string]string{}}
	roots, err := hierarchies()
	for controller, root := range roots {
		c.Cgroups[controller] = filepath.Join(root, cgroupName(run), name)
	}
	return c, err
}

// netFolder is where `ip netns` looks for namespaces.
const netFolder = "/run/netns"

// pinName is a namespace's name. A run's own name has no @ in it, so that none
// is taken for the beginning of another's.
func pinName(run, name string) string { return cgroupName(run) + "@" + name }

func cgroupName(run string) string { return "bedlam-" + run }

// bridgeName is what the names of a run's links begin with. The kernel allows
// 15 letters, which no run's name fits in.
func bridgeName(run string) string {
	h := sha256.Sum256([]byte(run))
	return fmt.Sprintf("bdl%x", h[:4])
}
