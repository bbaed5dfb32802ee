package fault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/observability/collector"
)

// impaired are instances that the kernel harms, by one impairment.
type impaired struct {
	victims
	impairment deploy.Impairment
	linger     time.Duration // of its probe, after the last answer
}

// impair makes the impairment of a resolved harm.
func impair(r chaos.Resolved, kind string, args any) (impaired, error) {
	b, err := json.Marshal(args)
	return impaired{victims: r.Instances,
		impairment: deploy.Impairment{ID: r.ID, Instances: r.Instances, Kind: kind, Args: b, Seed: r.Seed}}, err
}

// A validator is the parameters of a harm.
type validator interface{ Validate() error }

// byKernel is how the kernel's harms are built: blank returns a new fault, the
// part of it that is impaired, and its parameters. Those that an experiment
// writes under a name have it before what is wrong with them.
func byKernel(kind, under string, blank func() (chaos.Fault, *impaired, validator)) func(chaos.Resolved) (chaos.Fault, error) {
	if under != "" {
		under += "."
	}
	return func(r chaos.Resolved) (chaos.Fault, error) {
		f, part, args := blank()
		if err := decode(r.Args, f); err != nil {
			return nil, err
		}
		if err := args.Validate(); err != nil {
			return nil, fmt.Errorf("%s%w", under, err)
		}
		made, err := impair(r, kind, args)
		part.victims, part.impairment = made.victims, made.impairment
		return f, err
	}
}

// impairs is what such a harm asks an engine for. One that is done to a process
// alone, and leaves what others share, needs no isolation: impairsAlone.
var (
	impairsAlone = needs[deploy.Impairer]().and(needs[deploy.Inspector]())
	impairs      = impairsAlone.apart()
)

// askTime bounds the question whether an engine can do a harm: it may try it
// out, where nobody is.
const askTime = 10 * time.Second

// supported reports what is missing, before anything is touched.
func (f impaired) supported(s deploy.System) error {
	p, err := deploy.Power[deploy.Impairer](s)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTime)
	defer cancel()
	return p.CanImpair(ctx, f.impairment)
}

// Inject has the kernel harm every victim.
func (f impaired) Inject(ctx context.Context, s deploy.System) error {
	p, err := deploy.Power[deploy.Impairer](s)
	if err != nil {
		return err
	}
	return p.Impair(ctx, f.impairment)
}

// Lift takes the harm away and reads back that the kernel does not show it.
func (f impaired) Lift(ctx context.Context, s deploy.System) error {
	p, err := deploy.Power[deploy.Impairer](s)
	if err != nil {
		return err
	}
	if err := p.Repair(ctx, f.impairment.ID); err != nil {
		return err
	}
	left, err := p.Impairments(ctx, f.impairment.ID)
	if err != nil {
		return fmt.Errorf("reading back what the kernel shows: %w", err)
	}
	if len(left) > 0 {
		return errors.New("the kernel still shows it")
	}
	return nil
}

// called reports whether a span is a call to a victim, or one of its own calls.
func (f impaired) called(s collector.Span) bool {
	return s.PeerInstance != "" && (slices.Contains(f.victims, s.PeerInstance) || slices.Contains(f.victims, s.Instance))
}

// peer returns an instance that is not harmed: whatever it does as well, is not
// this fault's doing.
func (f impaired) peer(s deploy.System) (string, error) {
	for _, in := range s.Topology().Instances() {
		if !slices.Contains(f.victims, in.Name) {
			return in.Name, nil
		}
	}
	return "", errors.New("every instance is harmed: that it is this fault's doing cannot be told")
}
