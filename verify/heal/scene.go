package heal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy/relay"
)

// A scene is one run in surroundings of its own.
type scene struct {
	ground *Ground
	dir    string
	run    *exec.Cmd
	ended  chan struct{} // closed when the run's own process is gone
	output bytes.Buffer  // of the run; read it after ended
	watch  *watch
	kernel *kernel
	calm   reading  // before there was a fault; nil until the run has begun, see lookBeside
	named  []string // the scene's runs, see runs

	relay      *relay.Client // of the run; nil until it is known, see findRelay
	lookNoMore func()        // ends what lookBeside began
}

// bystander is a folder among the temporary ones that is not ours.
const bystander = "bedlam-bystander"

// open makes the surroundings and starts the run.
func (g *Ground) open(m Moment) (*scene, error) {
	g.scenes++
	s := &scene{ground: g, dir: filepath.Join(g.dir, "scenes", strconv.Itoa(g.scenes)), ended: make(chan struct{}), lookNoMore: func() {}}
	for _, dir := range []string{"", "tmp", "tmp/" + bystander, "runs"} {
		if err := os.Mkdir(filepath.Join(s.dir, dir), 0o755); err != nil {
			return nil, err
		}
	}
	var err error
	if m.Cold {
		err = os.Mkdir(filepath.Join(s.dir, "cache"), 0o755)
	} else {
		err = os.Symlink(filepath.Join(g.dir, "cache"), filepath.Join(s.dir, "cache"))
	}
	if err != nil {
		return nil, err
	}
	every := lookSeldom
	if m.Cold {
		every = lookOften
	}
	if s.watch, err = newWatch(g.dir, every); err != nil {
		return nil, err
	}
	s.kernel = newKernel()
	args, err := s.words(m)
	if err != nil {
		return nil, err
	}
	s.run = s.bedlam(args...)
	s.run.Stdout, s.run.Stderr = &s.output, &s.output
	if err := s.run.Start(); err != nil {
		return nil, err
	}
	g.last = s
	go func() {
		s.run.Wait() // ProcessState says how it ended
		close(s.ended)
	}()
	return s, nil
}

// words are what Bedlam is told to do: a run, or a monkey that strikes a second
// after the first customer and holds for longer than anybody waits here, unless
// its lift is what is waited for.
func (s *scene) words(m Moment) ([]string, error) {
	args := []string{"run"}
	if m.Monkey {
		hold := "5m"
		if step := chaos.EntryKind(m.Phase); step == chaos.Lifting || step == chaos.Lifted {
			hold = "2s"
		}
		args = []string{"monkey", "--mean", "1s", "--least", "1s", "--hold", hold, "--share", "100", "--control", "off"}
	}
	args = append(args, "--rate", "20", "--out", s.folder())
	if m.Engine != "" {
		args = append(args, "--engine", m.Engine)
	}
	if m.Fault == "" {
		return append(args, m.Experiment), nil
	}
	k, err := kindOf(m.Fault)
	if err != nil {
		return nil, err
	}
	if m.Monkey {
		path, err := writeCatalogue(s.dir, k)
		return append(args, "--catalogue", path), err
	}
	path, err := write(s.dir, k)
	return append(args, path), err
}

// bedlam returns a command of the tool in the scene's surroundings.
func (s *scene) bedlam(args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.ground.dir, "bin", "bedlam"), args...)
	cmd.Dir = filepath.Join(s.dir, "runs")
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		switch name {
		case "BEDLAM_STATE", "BEDLAM_CACHE", "TMPDIR", "XDG_STATE_HOME", "XDG_CACHE_HOME":
		default:
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "BEDLAM_STATE="+filepath.Join(s.dir, "state"), "BEDLAM_CACHE="+filepath.Join(s.dir, "cache"), "TMPDIR="+filepath.Join(s.dir, "tmp"))
	// A group of its own: a Ctrl-C at the keyboard is for the proof, which
	// then tidies up.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

func (s *scene) folder() string { return filepath.Join(s.dir, "runs", "run") }

func (s *scene) journal() string { return filepath.Join(s.folder(), "journal") }

// wrote reports whether the run's journal has an entry of a kind.
func (s *scene) wrote(kind chaos.EntryKind) bool {
	b, err := os.ReadFile(s.journal())
	return err == nil && bytes.Contains(b, fmt.Appendf(nil, `"kind":%q`, kind))
}

var errMissed = errors.New("the run ended before its moment")

// await returns at the moment.
func (s *scene) await(ctx context.Context, m Moment) error {
	if m.Fault != "" {
		return s.awaitStep(ctx, chaos.EntryKind(m.Phase))
	}
	var began func(*scene) bool
	for _, p := range phasesOf(m.Engine) {
		if p.name == m.Phase {
			began = p.began
		}
	}
	if began == nil {
		return fmt.Errorf("there is no phase %q", m.Phase)
	}
	tick := time.NewTicker(phaseEvery)
	defer tick.Stop()
	var at <-chan time.Time // fires at the moment
	for {
		s.watch.look()
		s.runs()
		if at == nil && began(s) {
			moment := time.NewTimer(m.Delay)
			defer moment.Stop()
			at = moment.C
		}
		select {
		case <-at:
			return nil
		case <-tick.C:
		case <-s.ended:
			return errMissed
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// phaseEvery is how often the beginning of a phase is looked for, which is a
// file or a line of one: the shortest lasts tens of milliseconds, and where in
// it the moment lies is drawn.
const phaseEvery = 5 * time.Millisecond

// strike sends the signal.
func (s *scene) strike(sig Signal, guardFirst bool) error {
	pid := s.run.Process.Pid
	switch sig {
	case Interrupt:
		return syscall.Kill(pid, syscall.SIGINT)
	case Terminate:
		return syscall.Kill(pid, syscall.SIGTERM)
	case Kill:
		return syscall.Kill(pid, syscall.SIGKILL)
	}
	// The guard may be before its start, and either may die first: bedlam
	// starts another guard within 50 ms, and a guard begins to heal at once.
	guard := s.guard()
	if guardFirst && guard > 0 {
		syscall.Kill(guard, syscall.SIGKILL)
	}
	err := syscall.Kill(pid, syscall.SIGKILL)
	<-s.ended
	// Whoever was started meanwhile is a guard, too.
	for end := time.Now().Add(100 * time.Millisecond); time.Now().Before(end); {
		for _, p := range s.watch.guards() {
			syscall.Kill(p, syscall.SIGKILL)
		}
	}
	return err
}

// guard returns the process id of the run's guard; 0 if it has none yet.
func (s *scene) guard() int {
	for _, path := range matches(s.dir, "state/runs/*.guard") {
		if b, err := os.ReadFile(path); err == nil {
			if pid, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil && s.watch.guardian(pid) {
				return pid
			}
		}
	}
	return 0
}

// matches returns the paths below dir that match pattern, which is one of our
// own and well-formed. To [filepath.Glob] a [ in dir would be part of it, and
// what is left there would not be seen.
func matches(dir, pattern string) []string {
	found, _ := fs.Glob(os.DirFS(dir), pattern)
	for i := range found {
		found[i] = filepath.Join(dir, found[i])
	}
	return found
}

// left says what is there of the run, as anybody can see it.
func (s *scene) left() []string {
	left := append(s.watch.left(), s.kernel.left(s.runs())...)
	if d := s.ground.docker; d != nil {
		left = append(left, d.left(s.runs())...)
	}
	select {
	case <-s.ended:
	default: // dead or not, it has not been reaped
		left = append(left, fmt.Sprintf("bedlam itself, process %d", s.run.Process.Pid))
	}
	for _, f := range []struct{ pattern, what string }{
		{"tmp/*", "temporary folder"}, {"state/runs/*", "entry in the state folder"}, {"state/runs/.new-*", "entry in the state folder"},
		{"cache/templates/.[0-9]*", "half a template"}, {"cache/postgresql/.[0-9a-z]*", "half an installation"},
	} {
		for _, path := range matches(s.dir, f.pattern) {
			if filepath.Base(path) != bystander {
				left = append(left, f.what+" "+path)
			}
		}
	}
	if _, err := os.Stat(filepath.Join(s.dir, "tmp", bystander)); errors.Is(err, fs.ErrNotExist) {
		left = append(left, "a folder that is not ours was removed")
	}
	return append(left, s.ground.harmed()...)
}
