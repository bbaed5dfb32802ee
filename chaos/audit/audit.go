// Package audit reads a system's audit views, keeps what they said, and reads
// it back. It has no opinions: what the rows mean is for chaos/check.
//
//	sources, _ := audit.Sources(system)            // every store, as the audit's role, past every relay
//	a, _ := audit.ReadSince(ctx, sources, "01-kill-payment", lastOne)   // between experiments, with the load running
//	open, _ := audit.Pending(ctx, sources)         // after the load: what is still under way
//	a, _ = audit.Read(ctx, sources, "final", true) // everything
//	_ = audit.Save(dir, a)
//	audits, torn, _ := audit.Load(dir)             // tomorrow
//
// An audit view is a view called audit_* that the audit's role may select
// from; the services make them, and nothing here knows which there are. Only
// [Pending] knows some by name. Each store is read in one transaction that
// sees one moment of it; two stores are two moments.
package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/topology"
)

// A Source is one store to be read.
type Source struct {
	Store string // its service's name in the topology
	DSN   string // of the audit's role, past every relay
}

// Sources returns every store of the system in which a service keeps data, in
// the order of the topology, but for those of which nobody can say how to reach
// them: whose views are then missing from an audit. If none is left, the error
// wraps [errors.ErrUnsupported].
func Sources(s deploy.System) ([]Source, error) {
	d, err := deploy.Power[deploy.Databaser](s)
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	t := s.Topology()
	var all []Source
	var unknown error
	for _, store := range t.Services {
		keeps := slices.ContainsFunc(t.Services, func(v topology.Service) bool { return v.Store == store.Name })
		if !keeps {
			continue
		}
		dsn, err := d.DSN(store.Name, deploy.AuditRole)
		if errors.Is(err, errors.ErrUnsupported) {
			unknown = fmt.Errorf("audit: %w", err)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("audit: store %s: %w", store.Name, err)
		}
		all = append(all, Source{Store: store.Name, DSN: dsn})
	}
	if len(all) == 0 {
		return nil, unknown
	}
	return all, nil
}

// Overlap is how much further back than asked [ReadSince] looks. A row bears
// the time at which its transaction began, not the one at which it could be
// seen; 30 s is longer than any pause that an experiment holds (12 s) and the
// longest deadline of a transaction together.
const Overlap = 30 * time.Second

// Read returns every row of every audit view of all stores. A store that shows
// no audit view is an error, as is one that does not answer until ctx is done.
// The rows of a view are sorted, so that equal data gives equal audits.
func Read(ctx context.Context, sources []Source, name string, final bool) (chaos.Audit, error) {
	a, err := read(ctx, sources, time.Time{})
	a.Name, a.Final = name, final
	return a, err
}

// ReadSince is Read for a look in between, which has to stay cheap while the
// tables grow: of a view with columns of type timestamptz it returns the rows
// with at least one of them at or after since (less [Overlap]); a view without
// any it returns whole. A zero since returns everything.
func ReadSince(ctx context.Context, sources []Source, name string, since time.Time) (chaos.Audit, error) {
	if !since.IsZero() {
		since = since.Add(-Overlap)
	}
	a, err := read(ctx, sources, since)
	a.Name = name
	return a, err
}

func read(ctx context.Context, sources []Source, since time.Time) (chaos.Audit, error) {
	a := chaos.Audit{Time: time.Now().UTC(), Views: map[string]chaos.View{}}
	found := make([]map[string]chaos.View, len(sources))
	g, ctx := errgroup.WithContext(ctx)
	for n, s := range sources {
		g.Go(func() error {
			views, err := s.read(ctx, since)
			if err != nil {
				return fmt.Errorf("audit: store %s: %w", s.Store, err)
			}
			found[n] = views
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return chaos.Audit{}, err
	}
	for n, views := range found {
		for name, v := range views {
			if _, twice := a.Views[name]; twice {
				return chaos.Audit{}, fmt.Errorf("audit: view %s stands in more than one store, %s the last", name, sources[n].Store)
			}
			a.Views[name] = v
		}
	}
	return a, nil
}

// read reads one store at one moment.
func (s Source) read(ctx context.Context, since time.Time) (map[string]chaos.View, error) {
	c, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	defer c.close()
	views, err := c.views(ctx)
	if err != nil {
		return nil, err
	}
	if len(views) == 0 {
		return nil, errors.New("the audit's role can select from no view called audit_*")
	}
	all := map[string]chaos.View{}
	for _, v := range views {
		rows, err := c.rows(ctx, v.query(since))
		if err != nil {
			return nil, fmt.Errorf("view %s: %w", v.name(), err)
		}
		slices.SortFunc(rows, func(a, b []string) int { return slices.Compare(a, b) })
		all[v.name()] = chaos.View{Columns: v.columns, Rows: rows}
	}
	return all, nil
}

// Views returns the names (schema.view) of the audit views in each store,
// sorted, by the store's name.
func Views(ctx context.Context, sources []Source) (map[string][]string, error) {
	all := map[string][]string{}
	for _, s := range sources {
		c, err := s.open(ctx)
		if err != nil {
			return nil, fmt.Errorf("audit: store %s: %w", s.Store, err)
		}
		views, err := c.views(ctx)
		c.close()
		if err != nil {
			return nil, fmt.Errorf("audit: store %s: %w", s.Store, err)
		}
		for _, v := range views {
			all[s.Store] = append(all[s.Store], v.name())
		}
		slices.SortFunc(all[s.Store], strings.Compare)
	}
	return all, nil
}
