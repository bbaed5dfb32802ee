package process

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"net/url"
	"os/exec"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/cell"
	"github.com/bedlamlab/bedlam/deploy/impair"
	"github.com/bedlamlab/bedlam/deploy/lan"
	"github.com/bedlamlab/bedlam/deploy/supervise"
)

// The isolations of an engine.
const (
	Auto = "auto" // Full where the machine can, else None
	None = "none" // processes beside one another
	Full = "full" // each in a cell; see package cell for what that takes
)

// Isolation returns the isolation that systems of this engine get: None or
// Full. It is an error if Full was asked for and cannot be.
func (e *Engine) Isolation() (string, error) {
	can := cell.Try()
	switch e.options.Isolation {
	case None:
		return None, nil
	case Full:
		return Full, can
	case Auto, "":
		if can == nil {
			return Full, nil
		}
		return None, nil
	}
	return "", fmt.Errorf("unknown isolation %q (want %s, %s or %s)", e.options.Isolation, Auto, None, Full)
}

// Check implements [deploy.Checker].
func (e *Engine) Check(context.Context) error {
	_, err := e.Isolation()
	return err
}

// cells are what the instances of one run are put into.
type cells struct {
	net     lan.Net
	inmates []cell.Inmate
}

// cells decides who gets which cell; nil if there are none.
func (e *Engine) cells(p deploy.Plan) (*cells, error) {
	isolation, err := e.Isolation()
	if err != nil || isolation == None {
		return nil, err
	}
	taken, err := lan.Taken()
	if err != nil {
		return nil, err
	}
	seed := sha256.Sum256([]byte(p.Run))
	subnet, err := lan.Draw(rand.New(rand.NewChaCha8(seed)), taken) // from the run's name: runs side by side seldom draw the same
	if err != nil {
		return nil, err
	}
	c := &cells{net: lan.In(subnet)}
	for i, in := range p.Topology.Instances() {
		at, err := c.net.Address(i + 1)
		if err != nil {
			return nil, err
		}
		v, _ := p.Topology.Service(in.Service)
		c.inmates = append(c.inmates, cell.Inmate{Name: in.Name, Address: at, Limits: supervise.Limits(v), Threads: supervise.MostThreads})
	}
	return c, nil
}

// gateway is a port of this machine as the cells see it.
func (c *cells) gateway(port int) string {
	return netip.AddrPortFrom(c.net.Gateway, uint16(port)).String()
}

// own is a port of an instance's.
func (c *cells) own(instance string, port int) string {
	for _, in := range c.inmates {
		if in.Name == instance {
			return netip.AddrPortFrom(in.Address, uint16(port)).String()
		}
	}
	return ""
}

// enclose makes the cells, if there are to be some, and lets their inmates
// reach the collector until life ends. What is learnt stands in the description.
func (m machine) enclose(ctx, life context.Context, c *cells, p *deploy.Plan) (machine, error) {
	if c == nil {
		return m, nil
	}
	if _, err := cell.Build(ctx, p.Run, c.net, c.inmates); err != nil {
		return m, err
	}
	if p.Telemetry == "" {
		return m, nil
	}
	fail := func(err error) (machine, error) {
		undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), killTime)
		defer cancel()
		return m, errors.Join(err, cell.Sweep(undo, p.Run))
	}
	at, err := c.net.Forward(life, p.Telemetry)
	if err != nil {
		return fail(err)
	}
	u, err := url.Parse(at)
	if err != nil {
		return fail(err)
	}
	spared, err := netip.ParseAddrPort(u.Host)
	if err != nil {
		return fail(err)
	}
	p.Telemetry, m.desc.Spared = at, []netip.AddrPort{spared}
	if err := m.Describe(m.desc); err != nil {
		return fail(err)
	}
	return newMachine(m.Files, m.desc), nil
}

// celled reports whether an instance has a cell. The relay has none: it is the
// network, and harmed by nobody.
func (m machine) celled(instance string) bool { return m.desc.Cells && instance != supervise.Relay }

// launch starts cmd where the instance belongs.
func (m machine) launch(instance string, cmd *exec.Cmd) error {
	if !m.celled(instance) {
		return cmd.Start()
	}
	c, err := cell.At(m.desc.Run, instance)
	if err != nil {
		return err
	}
	if m.desc.NameServer != "" {
		c.Resolver = m.resolver()
	}
	return c.Start(cmd)
}

// oomKills counts those of an instance's processes that the kernel ends for
// want of memory.
func (m machine) oomKills(instance string) func() int {
	if !m.celled(instance) {
		return func() int { return 0 }
	}
	return func() int {
		c, err := cell.At(m.desc.Run, instance)
		if err != nil {
			return 0
		}
		n, _ := c.OOMKills() // what cannot be read is not said
		return n
	}
}

// target is an instance as the kernel knows it now.
func (m machine) target(instance string) (impair.Target, error) {
	t := impair.Target{Instance: instance, Data: m.Folder(instance)}
	if m.disked(instance) {
		t.Disk = m.disk(instance)
	}
	if _, ok := m.desc.Layout.Own[instance]; !ok {
		return t, fmt.Errorf("unknown instance %q", instance)
	}
	id, err := m.living(instance)
	if err != nil && !errors.Is(err, supervise.ErrGone) {
		return t, err
	}
	if err == nil {
		t.PID, t.Start = id.PID, id.Start
	}
	if !m.celled(instance) {
		return t, nil
	}
	c, err := cell.At(m.desc.Run, instance)
	t.Net, t.Device, t.Spared, t.Cgroups = c.Net, cell.Device, m.desc.Spared, c.Cgroups
	return t, err
}
