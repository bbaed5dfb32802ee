package heal

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// A Ground is where runs are cut short: a folder with copies of the programs,
// so that whatever runs one of them is known to be ours, and a cache that warm
// runs share. Beside it live bystanders that no heal may touch.
type Ground struct {
	dir        string
	scenes     int
	last       *scene
	bystanders []*exec.Cmd
	docker     *daemon // nil unless the runs are of containers
}

// Prepare copies the programs bedlam and shop, which are static if the engine
// is Docker, from a folder.
func Prepare(programs, engine string) (*Ground, error) { return prepareIn("", programs, engine) }

// prepareIn is Prepare in a folder of one's own; empty: the system's for what is
// temporary.
func prepareIn(parent, programs, engine string) (*Ground, error) {
	if runtime.GOOS != "linux" {
		return nil, fmt.Errorf("what is left is read from /proc, which %s has not got: %w", runtime.GOOS, errors.ErrUnsupported)
	}
	dir, err := os.MkdirTemp(parent, "bedlam-heal-*")
	if err != nil {
		return nil, err
	}
	g := &Ground{dir: dir}
	err = g.prepare(programs)
	if err == nil && engine == Docker {
		if g.docker, err = dial(); err == nil {
			err = g.docker.stand(filepath.Join(dir, "bin", "bedlam"), strings.ToLower(filepath.Base(dir)))
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("preparing the ground: %w", err), g.Close())
	}
	return g, nil
}

func (g *Ground) prepare(programs string) error {
	// PostgreSQL's account must reach what is below.
	if err := os.Chmod(g.dir, 0o755); err != nil {
		return err
	}
	for _, dir := range []string{"bin", "cache", "scenes"} {
		if err := os.Mkdir(filepath.Join(g.dir, dir), 0o755); err != nil {
			return err
		}
	}
	for _, name := range []string{"bedlam", "shop"} {
		b, err := os.ReadFile(filepath.Join(programs, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(g.dir, "bin", name), b, 0o755); err != nil {
			return err
		}
	}
	// One bystander stands in a folder whose name begins as the ground's does.
	beside := g.dir + "-bystander"
	if err := os.Mkdir(beside, 0o755); err != nil {
		return err
	}
	for _, dir := range []string{"/", beside} {
		cmd := exec.Command("sleep", "infinity")
		cmd.Dir, cmd.Env = dir, []string{}
		if err := cmd.Start(); err != nil {
			return err
		}
		g.bystanders = append(g.bystanders, cmd)
	}
	return nil
}

// harmed says which bystanders were.
func (g *Ground) harmed() []string {
	var harmed []string
	for _, cmd := range g.bystanders {
		state, err := stateOf(cmd.Process.Pid)
		if err != nil || state == 'Z' || state == 'T' {
			harmed = append(harmed, fmt.Sprintf("a bystander, process %d, is gone or stopped", cmd.Process.Pid))
		}
	}
	if g.docker != nil {
		harmed = append(harmed, g.docker.harmed()...)
	}
	return harmed
}

// keep copies what the last scene left for somebody to look at.
func (g *Ground) keep(to string) error {
	if g.last == nil {
		return nil
	}
	to = filepath.Join(to, filepath.Base(g.dir)+"-"+filepath.Base(g.last.dir))
	return os.CopyFS(to, os.DirFS(g.last.folder()))
}

// Close ends the bystanders and removes the ground.
func (g *Ground) Close() error {
	for _, cmd := range g.bystanders {
		cmd.Process.Kill()
		cmd.Wait() // it was killed: the error says no more
	}
	var err error
	if g.docker != nil {
		err = g.docker.close()
	}
	return errors.Join(err, os.RemoveAll(g.dir+"-bystander"), os.RemoveAll(g.dir))
}
