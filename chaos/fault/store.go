package fault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/topology"
)

// A storeFault harms PostgreSQL servers from inside, by sessions of its own.
//
// They bear the fault's name (see [sessions]), so that a lift in any process
// finds and ends them, and they end with the process that holds them: their
// server sees the end of the connection, and a lease that the server itself
// keeps ends those of a process that hangs. Nothing of such a fault is on a
// disk, in a schema or in a setting of the server's.
type storeFault interface {
	chaos.Fault
	// fits says what is wrong with the victims.
	fits(t topology.System) error
	// admitted says why there is no way in.
	admitted(s deploy.System) error
}

// stores are the servers that a fault harms.
type stores struct{ victims }

// of returns the service that a victim is an instance of; an error unless it
// is a store.
func (v stores) of(t topology.System, instance string) (topology.Service, error) {
	all := t.Instances()
	at := slices.IndexFunc(all, func(in topology.Instance) bool { return in.Name == instance })
	if at < 0 {
		return topology.Service{}, fmt.Errorf("%s has no instance called %q", t.Name, instance)
	}
	service, _ := t.Service(all[at].Service)
	if service.Protocol != topology.Postgres {
		return service, fmt.Errorf("%s is no PostgreSQL server: it speaks %s", instance, service.Protocol)
	}
	return service, nil
}

// tenants returns the services that keep their data in a victim.
func (v stores) tenants(t topology.System, instance string) ([]string, error) {
	store, err := v.of(t, instance)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, s := range t.Services {
		if s.Store == store.Name {
			all = append(all, s.Name)
		}
	}
	return all, nil
}

// keeps reports an error unless each of services keeps its data in every victim.
func (v stores) keeps(t topology.System, services ...string) error {
	for _, in := range v.victims {
		all, err := v.tenants(t, in)
		if err != nil {
			return err
		}
		for _, service := range services {
			if !slices.Contains(all, service) {
				return fmt.Errorf("%s keeps no data in %s (want one of %s)", service, in, strings.Join(all, ", "))
			}
		}
	}
	return nil
}

// Met reports a failed statement at one of the victims.
func (v stores) Met(s collector.Span) bool {
	return s.Error && slices.Contains(v.victims, s.PeerInstance)
}

// The SQLSTATE codes that tell the faults apart.
const (
	tooManyConnections = "53300"
	lockNotAvailable   = "55P03"
	terminatedByAdmin  = "57P01"
	unknownSetting     = "42704"
)

// sqlstate returns the code of a failed statement; empty if the server never
// said one.
func sqlstate(s collector.Span) string {
	if s.Code != "" {
		return s.Code
	}
	_, after, _ := strings.Cut(s.Message, "(SQLSTATE ")
	code, _, _ := strings.Cut(after, ")")
	return code
}

func isState(err error, code string) bool {
	e := (*pgconn.PgError)(nil)
	return errors.As(err, &e) && e.Code == code
}

// loginTime bounds one login: a thousand times what it takes.
const loginTime = 5 * time.Second

// loginAs logs in at dsn under an application's name, with settings of its own.
func loginAs(ctx context.Context, dsn, application string, settings ...string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol // nothing is asked often enough to be prepared
	config.RuntimeParams["application_name"] = application
	for i := 0; i+1 < len(settings); i += 2 {
		config.RuntimeParams[settings[i]] = settings[i+1]
	}
	ctx, cancel := context.WithTimeout(ctx, loginTime)
	defer cancel()
	return pgx.ConnectConfig(ctx, config)
}

// part closes a connection, whatever has become of the context that it was for.
func part(ctx context.Context, c *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loginTime)
	defer cancel()
	c.Close(ctx)
}

// unreachable reports a server that is not there: it has no sessions.
func unreachable(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EHOSTUNREACH)
}
