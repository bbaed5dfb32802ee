package process

import (
	"context"
	"os"
	"path/filepath"

	"github.com/bedlamlab/bedlam/deploy/supervise"
	"github.com/bedlamlab/bedlam/topology"
)

// ParseStat returns the process id, the parent's and the state.
func ParseStat(b []byte) (pid, parent int, state byte, err error) {
	p, err := parseStat(b)
	return p.PID, p.parent, p.state, err
}

// Exhaust exhausts a process, which is the first instance of t in that scratch
// folder and has a folder there, by somebody else's command.
func Exhaust(ctx context.Context, scratch, command string, t topology.System, pid int) error {
	p, err := look(pid)
	if err != nil {
		return err
	}
	name := t.Instances()[0].Name
	if err := os.Mkdir(filepath.Join(scratch, "state"), 0o700); err != nil {
		return err
	}
	if err := supervise.WriteJSON(filepath.Join(scratch, "state", name+".json"), supervise.Record{Identity: supervise.Identity(p.identity)}); err != nil {
		return err
	}
	return newMachine(supervise.Files{Scratch: scratch}, supervise.Description{Bedlam: command, Topology: t}).exhaust(ctx, name)
}
