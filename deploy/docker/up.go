package docker

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/disk"
	"github.com/bedlamlab/bedlam/deploy/names"
	"github.com/bedlamlab/bedlam/deploy/postgres"
	"github.com/bedlamlab/bedlam/deploy/supervise"
)

// endTime bounds the end of everything: of some twenty containers at once it
// takes a few seconds.
const endTime = 30 * time.Second

// Up implements [deploy.Engine]. Images are made first, where they are not there
// yet; then everything starts at once, but for services with a store, which
// wait until it answers; it returns when every instance is healthy.
func (e *Engine) Up(ctx context.Context, p deploy.Plan) (deploy.System, error) {
	fail := func(err error) error { return fmt.Errorf("bringing %s up: %w", p.Topology.Name, err) }
	if err := supervise.Ready(&p); err != nil {
		return nil, fail(err)
	}
	d, err := connect(ctx)
	if err != nil {
		return nil, fail(err)
	}
	u := &upcoming{daemon: d, plan: p, files: supervise.Files{Scratch: p.Scratch}, slots: make(chan struct{}, busy)}
	u.life, u.stop = context.WithCancel(context.WithoutCancel(ctx))
	if err := u.lay(ctx); err != nil {
		return nil, fail(errors.Join(err, u.undo(ctx)))
	}
	ctx, cancel := context.WithTimeoutCause(ctx, readyTime, fmt.Errorf("not ready after %s", readyTime))
	defer cancel()
	s := supervise.New(u.files, u.machine.desc, u.plan, supervise.Outfit{
		Machine: u.machine, Service: u.service, Store: u.store, Relay: u.relay,
		Clear: u.clear, EndTime: endTime,
	})
	u.make()
	if err := s.Start(ctx); err != nil {
		return nil, fail(err)
	}
	return u.machine.system(s), nil
}

// upcoming is a system on its way up, and what it needs besides its containers
// as long as it is.
type upcoming struct {
	daemon  *daemon
	plan    deploy.Plan
	files   supervise.Files
	ports   *supervise.Block
	machine *machine
	network *network
	shop    string // images
	pg      string

	relays, stores, services []*body
	slots                    chan struct{}
	making                   sync.WaitGroup

	life context.Context // of what is done beside the keepers
	stop context.CancelFunc
}

// lay lays everything out before the first container: the scratch folder, the
// images, the network and all addresses. The folder is marked before the daemon
// is asked for anything, and described when everything is known.
func (u *upcoming) lay(ctx context.Context) (err error) {
	p := u.plan
	if err := u.files.Make(supervise.Description{Schema: schema, Run: p.Run, Topology: p.Topology}); err != nil {
		return err
	}
	if u.shop, err = u.daemon.shopImage(ctx, p.Run, p.Shop, p.Bedlam, u.progress); err != nil {
		return err
	}
	if slices.ContainsFunc(p.Topology.Services, supervise.IsStore) {
		cache, err := postgres.CacheDir()
		if err != nil {
			return err
		}
		if u.pg, err = u.daemon.storeImage(ctx, p.Run, cache, p.Bedlam, u.progress); err != nil {
			return err
		}
	}
	if u.network, err = u.daemon.makeNetwork(ctx, p.Run); err != nil {
		return err
	}
	if p.Telemetry != "" {
		if u.plan.Telemetry, err = u.network.Forward(u.life, p.Telemetry); err != nil {
			return err
		}
	}
	if u.ports, err = supervise.TakeBlock(1); err != nil {
		return err
	}
	l, err := u.layout()
	if err != nil {
		return err
	}
	desc := supervise.Describe(schema, u.plan, l)
	if p.Names {
		at, err := u.network.Address(relayPlace)
		if err != nil {
			return err
		}
		desc.NameServer = netip.AddrPortFrom(at, names.Port).String()
	}
	if desc.Spared, err = spared(u.plan.Telemetry); err != nil {
		return err
	}
	desc.Disks = p.Disks && disk.Check() == nil // else its system says why not
	u.machine = newMachine(u.daemon, u.files, desc)
	if err := u.machine.disks(); err != nil {
		return err
	}
	return u.files.Describe(desc)
}

// spared is where the instances send telemetry, if they do, which no harm may
// touch.
func spared(telemetry string) ([]netip.AddrPort, error) {
	if telemetry == "" {
		return nil, nil
	}
	at, err := url.Parse(telemetry)
	if err != nil {
		return nil, err
	}
	to, err := netip.ParseAddrPort(at.Host)
	return []netip.AddrPort{to}, err
}

func (u *upcoming) progress(text string) {
	if u.plan.Progress != nil {
		u.plan.Progress(text)
	}
}

// make begins to make all containers, in the order in which they will be
// needed. What fails is tried again, and told, by its keeper.
func (u *upcoming) make() {
	u.making.Go(func() {
		for _, b := range slices.Concat(u.relays, u.stores, u.services) {
			select {
			case u.slots <- struct{}{}: // in this order
			case <-u.life.Done():
				return
			}
			<-u.slots
			u.making.Go(func() { b.Prepare(u.life) })
		}
	})
}

// clear removes everything of the run, when its keepers have gone.
func (u *upcoming) clear(ctx context.Context) error { return u.empty(ctx, 1) }

func (u *upcoming) empty(ctx context.Context, looks int) error {
	u.stop()
	u.making.Wait()
	if u.machine != nil {
		u.machine.plane.Close()
	}
	defer u.daemon.close()
	if u.ports != nil {
		defer u.ports.Release()
	}
	if err := u.daemon.empty(ctx, u.plan.Run, looks); err != nil {
		return err
	}
	if err := unplug(ctx, u.files); err != nil {
		return err
	}
	return u.files.Empty(false)
}

// undo is clear for a system of which nothing has run. What was asked for when
// we were cut short may still come.
func (u *upcoming) undo(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTime)
	defer cancel()
	return u.empty(ctx, 2)
}
