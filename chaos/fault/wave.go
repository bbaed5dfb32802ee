package fault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/loadgen"
	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/topology"
)

// A wave is more for the victims to do: others who come beside the customers.
//
// The process that makes the customers makes it, and it ends with that process:
// nothing of it is on a disk or in the system, so that whoever heals a run that
// was cut short finds nothing to lift.
type wave struct {
	victims
	surge loadgen.Surge
	mark  [8]byte
}

// made is the need for somebody who makes load. That does not depend on the
// engine: every run has customers, and a system alone has none.
func made() Need {
	n := needs[loadgen.Surger]()
	n.of = func(deploy.Model) bool { return true }
	return n
}

// registerWave adds a kind of wave.
func registerWave(k Kind) {
	k.On, k.Needs, k.Load = onInstances, made(), true
	register(k)
}

func newWave(r chaos.Resolved, s loadgen.Surge) *wave {
	s.Name, s.Seed, s.Gateways = r.ID, r.Seed, r.Instances
	return &wave{victims: r.Instances, surge: s, mark: loadgen.Mark(r.ID)}
}

// fits reports victims that customers do not ask: nobody else can either.
func (f *wave) fits(t topology.System) error {
	var front []string
	for _, e := range t.Edges {
		if e.From == topology.Loader {
			for _, in := range t.InstancesOf(e.To) {
				front = append(front, in.Name)
			}
		}
	}
	for _, in := range f.victims {
		if !slices.Contains(front, in) {
			return fmt.Errorf("customers do not ask %s (want instances of %s: %v)", in, t.Name, front)
		}
	}
	return nil
}

// Inject lets them come.
func (f *wave) Inject(_ context.Context, s deploy.System) error {
	p, err := deploy.Power[loadgen.Surger](s)
	if err != nil {
		return err
	}
	return p.Surge(f.surge)
}

// Lift sends them away. Where nobody makes load there are none: they went with
// the process that made them.
func (f *wave) Lift(_ context.Context, s deploy.System) error {
	p, err := deploy.Power[loadgen.Surger](s)
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	if err != nil {
		return err
	}
	p.Ebb(f.surge.Name)
	return nil
}

const (
	// asked is after how many journeys that should have come it can be told
	// whether they come.
	asked = 10
	// came is the least share of them that must have: fewer is another surge than
	// was asked for. Arrivals are random: of ten, fewer than half are due once in
	// thirty times, and a moment later more.
	came = 0.5
)

// Probe wants as many to have come as were asked for, and the system to have
// answered some or kept them waiting until they left; after the lift, nobody to
// come. The control is what customers asked in the same time.
func (f *wave) Probe(_ context.Context, s deploy.System, injected bool) (string, error) {
	p, err := deploy.Power[loadgen.Surger](s)
	if errors.Is(err, errors.ErrUnsupported) && !injected {
		return "nobody makes load any more", nil
	}
	if err != nil {
		return "", err
	}
	d, was := p.Surged(f.surge.Name)
	switch {
	case injected && !was:
		return "", errors.New("there is no such surge")
	case injected:
		return f.comes(d)
	case !was:
		return "there was no surge", nil
	case d.On:
		return "", errors.New("they still come")
	}
	return fmt.Sprintf("nobody comes any more, after %d journeys in %s", d.Arrived, round(d.For)), nil
}

func (f *wave) comes(d loadgen.Surged) (string, error) {
	text := fmt.Sprintf("%d of the %.0f journeys that were asked for have come in %s; of their %d requests %d were answered and %d not waited for, beside %d of customers",
		d.Arrived, d.Asked, round(d.For), d.Sent, d.Answered, d.Left, d.Beside)
	if !d.On || d.Asked < asked || float64(d.Arrived) < came*d.Asked || d.Answered+d.Left == 0 {
		return "", errors.New(text)
	}
	return text, nil
}

// Met reports one of their requests at one of the victims, which says itself
// that it served it.
func (f *wave) Met(s collector.Span) bool {
	return s.Kind == collector.Server && bytes.HasPrefix(s.Trace[:], f.mark[:]) && slices.Contains(f.victims, s.Instance)
}

// more holds a factor against what can be meant: the least that is seen beside
// the customers' own ups and downs, and what one process can still make at the
// usual rate.
func more(factor float64) error {
	if !(factor >= 1.5 && factor <= 20) {
		return fmt.Errorf("factor must be between 1.5 and 20, it is %v", factor)
	}
	return nil
}
