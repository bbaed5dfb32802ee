package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/bedlamlab/bedlam/deploy/exhaust"
	"github.com/bedlamlab/bedlam/deploy/supervise"
	"github.com/bedlamlab/bedlam/topology"
)

// shm is where every Linux has a tmpfs.
const shm = "/dev/shm"

// leaveTime bounds the end of the command when it is asked for: it writes a page
// of memory, or waits for the kernel to give it one, which may have to look
// everywhere first.
const leaveTime = 2 * time.Second

// exhaust has the instance's memory taken by a command in its cell, and returns
// when its process has ended.
func (m machine) exhaust(ctx context.Context, instance string) (err error) {
	id, err := m.living(instance)
	if err != nil {
		return err
	}
	if frozen(id.PID) {
		return errors.New("it is paused: it would not end before it is resumed")
	}
	all := m.desc.Topology.Instances()
	at := slices.IndexFunc(all, func(in topology.Instance) bool { return in.Name == instance })
	if at < 0 {
		return errors.New("it has no cell")
	}
	v, _ := m.desc.Topology.Service(all[at].Service)
	stood, err := exhaust.StandingOf(id.PID)
	if err != nil {
		return err
	}
	var said bytes.Buffer
	cmd := exec.Command(m.desc.Bedlam, "exhaust", shm, strconv.FormatInt(supervise.Limits(v).Memory, 10), strconv.Itoa(id.PID))
	cmd.Dir, cmd.Env = m.Folder(instance), []string{}
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	asking, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := m.launch(instance, cmd); err != nil {
		return errors.Join(err, asking.Close())
	}
	ended := make(chan struct{})
	go func() {
		cmd.Wait()
		close(ended)
	}()
	defer func() {
		asking.Close() // then it ends, and takes back what it did
		select {
		case <-ended:
		case <-time.After(leaveTime):
			cmd.Process.Kill()
			<-ended
		}
		if id.alive() { // if it took nothing back, as when the kernel ended it instead
			err = errors.Join(err, stood.Restore())
		}
	}()
	for id.alive() {
		select {
		case <-ended:
			if id.alive() {
				return fmt.Errorf("it has not ended: %s", bytes.TrimSpace(said.Bytes()))
			}
		default:
		}
		if err := supervise.Sleep(ctx, glance); err != nil {
			return err
		}
	}
	return nil
}
