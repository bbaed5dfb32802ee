package enginetest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/topology"
)

// The calling test is executed again with these in its environment, to be the
// owner that is killed.
const (
	abandonEnv = "BEDLAM_ENGINETEST_PLAN" // a deploy.Plan as JSON
	echoEnv    = "BEDLAM_ENGINETEST_ECHO" // the echo program, already built
)

// said begins each line that an owner says to the suite; a test binary prints
// lines of its own too.
const said = "enginetest: "

// cut is what the kernel does to an instance of an owner's, if it can.
var cut = deploy.Impairment{ID: "enginetest/cut", Instances: []string{"back-1"}, Kind: "packet_partition"}

// told is what an owner says when its system is up.
type told struct {
	Addresses []string `json:"addresses"`
}

// abandoned is the owner: it brings the system up, breaks it, says so, and
// waits to be killed. It is false in every other process.
func abandoned(t *testing.T, s suite) bool {
	text := os.Getenv(abandonEnv)
	if text == "" {
		return false
	}
	var given storedPlan
	if err := json.Unmarshal([]byte(text), &given); err != nil {
		t.Fatal(err)
	}
	f := &fixture{plan: given.plan()}
	f.plan.Observe = func(e deploy.Event) { fmt.Printf("\n%sevent %s %s\n", said, e.Kind, e.Instance) }
	system, err := s.newEngine(t).Up(t.Context(), f.plan)
	if err != nil {
		t.Fatal(err)
	}
	f.System = system
	if p, err := deploy.Power[deploy.Pauser](f); err == nil {
		if err := errors.Join(p.Pause(t.Context(), "front-1"), p.Pause(t.Context(), "pg-1")); err != nil {
			t.Fatal(err)
		}
	}
	if i, err := deploy.Power[deploy.Impairer](f); err == nil {
		err := i.CanImpair(t.Context(), cut)
		if err == nil {
			err = i.Impair(t.Context(), cut)
		}
		if err != nil && !errors.Is(err, errors.ErrUnsupported) {
			t.Fatal(err)
		}
	}
	b, err := json.Marshal(told{f.addresses(t)})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("\n%sup %s\n", said, b)
	io.Copy(io.Discard, os.Stdin) // ends also if the suite does
	return true
}

// storedPlan is what another process needs of a plan: all but its functions.
type storedPlan struct {
	Run, Shop, Bedlam, Scratch, Logs, Telemetry string
	Topology                                    topology.System
	Names, Disks                                bool
}

func stored(p deploy.Plan) storedPlan {
	return storedPlan{p.Run, p.Shop, p.Bedlam, p.Scratch, p.Logs, p.Telemetry, p.Topology, p.Names, p.Disks}
}

func (p storedPlan) plan() deploy.Plan {
	return deploy.Plan{Run: p.Run, Topology: p.Topology, Shop: p.Shop, Bedlam: p.Bedlam, Scratch: p.Scratch, Logs: p.Logs, Telemetry: p.Telemetry, Names: p.Names, Disks: p.Disks}
}

func (s suite) abandons(t *testing.T) {
	t.Run("SweepAfterUp", s.sweepAfterUp)
	t.Run("SweepDuringUp", s.sweepDuringUp)
	t.Run("AttachAfterUp", s.attachAfterUp)
}

// An owner is the other process.
type owner struct {
	cmd  *exec.Cmd
	in   io.Closer
	says *bufio.Scanner
}

func (s suite) owner(t *testing.T, p deploy.Plan) *owner {
	t.Helper()
	b, err := json.Marshal(stored(p))
	if err != nil {
		t.Fatal(err)
	}
	top, _, _ := strings.Cut(t.Name(), "/")
	o := &owner{cmd: exec.Command(os.Args[0], "-test.run=^"+top+"$", "-test.v", "-test.timeout=5m")}
	o.cmd.Env = append(os.Environ(), abandonEnv+"="+string(b), echoEnv+"="+p.Shop)
	o.cmd.Stderr = os.Stderr
	if o.in, err = o.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := o.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	o.says = bufio.NewScanner(out)
	o.says.Buffer(nil, 1<<20) // all addresses stand in one line
	if err := o.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.kill() })
	return o
}

// line returns what the owner says next; false when it has ended.
func (o *owner) line() (string, bool) {
	for o.says.Scan() {
		if text, ok := strings.CutPrefix(o.says.Text(), said); ok {
			return text, true
		}
	}
	return "", false
}

// kill ends the owner as a crash does.
func (o *owner) kill() {
	o.cmd.Process.Signal(syscall.SIGKILL)
	o.cmd.Wait()
	o.in.Close()
}

// up waits until the owner's system is up.
func (o *owner) up(t *testing.T) told {
	t.Helper()
	for {
		text, ok := o.line()
		if !ok {
			t.Fatal("the owner ended before its system was up")
		}
		if b, ok := strings.CutPrefix(text, "up "); ok {
			var v told
			if err := json.Unmarshal([]byte(b), &v); err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
}

// swept sweeps and requires that nothing is left: no process, no socket, no
// folder; and that the ports can be had again, by a system that comes up.
func (s suite) swept(t *testing.T, p deploy.Plan, addresses []string) {
	t.Helper()
	if err := s.newEngine(t).Sweep(within(t), "another-run", p.Scratch); err == nil {
		if _, e := os.Stat(p.Scratch); e == nil || len(addresses) > 0 {
			t.Error("Sweep takes another run's folder")
		}
	}
	began := time.Now()
	if err := s.newEngine(t).Sweep(within(t), p.Run, p.Scratch); err != nil {
		t.Fatal(err)
	}
	t.Logf("swept in %s", time.Since(began).Round(time.Millisecond))
	s.nothingIsLeft(t, p)
	for _, a := range addresses {
		refused(t, a)
	}
	if _, err := os.Lstat(p.Scratch); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the scratch folder is left (%v)", err)
	}
	if err := s.newEngine(t).Sweep(within(t), p.Run, p.Scratch); err != nil {
		t.Errorf("sweeping again: %v", err)
	}
}

func (s suite) sweepAfterUp(t *testing.T) {
	p := s.plan(t)
	o := s.owner(t, p)
	v := o.up(t)
	o.kill()
	s.swept(t, p, v.Addresses)
}

// sweepDuringUp kills the owner at several of the events of its start.
func (s suite) sweepDuringUp(t *testing.T) {
	for at := 1; at <= 11; at += 2 { // a start has some dozen events; every second will do
		p := s.plan(t)
		o := s.owner(t, p)
		for n := 0; n < at; {
			text, ok := o.line()
			if !ok {
				t.Fatal("the owner ended by itself")
			}
			if strings.HasPrefix(text, "event ") {
				n++
			}
			if strings.HasPrefix(text, "up ") {
				break
			}
		}
		o.kill()
		s.swept(t, p, nil)
	}
}

// attachAfterUp lifts what a dead owner has left paused, as a guard does.
func (s suite) attachAfterUp(t *testing.T) {
	p := s.plan(t)
	o := s.owner(t, p)
	v := o.up(t)
	o.kill()
	system, err := s.newEngine(t).Attach(within(t), p.Scratch)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{System: system, plan: p}
	if pauser, err := deploy.Power[deploy.Pauser](system); err == nil {
		if err := errors.Join(pauser.Resume(within(t), "front-1"), pauser.Resume(within(t), "pg-1")); err != nil {
			t.Fatal(err)
		}
		if err := get(within(t), f.address(t, loader, "front-1"), "/who", nil); err != nil {
			t.Errorf("the system of a dead owner does not answer: %v", err)
		}
	}
	if i, err := deploy.Power[deploy.Impairer](system); err == nil {
		if err := i.Repair(within(t), cut.ID); err != nil {
			t.Fatal(err)
		}
		if err := healthy(within(t), f.address(t, "", "back-1")); err != nil {
			t.Errorf("an instance of a dead owner does not answer after the lift: %v", err)
		}
	}
	s.swept(t, p, v.Addresses)
}
