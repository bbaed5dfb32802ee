package compose

import (
	"context"
	"errors"
	"fmt"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/postgres"
	"github.com/bedlamlab/bedlam/topology"
)

// provisioner is the one-shot service of the file.
const provisioner = "provision"

// database is the one that every store of the shop is asked for.
const database = "postgres"

// Provision makes every store of t what the shop's services expect: for each
// of them a role with a schema, and the audit's role. It waits until the stores
// answer, or ctx is done, and may be done again. getenv tells the passwords.
func Provision(ctx context.Context, t topology.System, getenv func(string) string) error {
	for _, name := range []string{StorePassword, ShopPassword} {
		if getenv(name) == "" {
			return fmt.Errorf("provisioning the stores of %s: %s is not set", t.Name, name)
		}
	}
	var errs []error
	for _, v := range stores(t) {
		o := storeOptions(t, v.Name, getenv(StorePassword), getenv(ShopPassword))
		if err := new(postgres.Install).Provision(ctx, o); err != nil {
			errs = append(errs, fmt.Errorf("provisioning %s: %w", v.Name, err))
		}
	}
	return errors.Join(errs...)
}

// storeOptions describe a store as it is seen on the shop's network.
func storeOptions(t topology.System, store, superuser, roles string) postgres.Options {
	o := postgres.Options{
		Dir:      "/", // another machine's
		Host:     t.InstancesOf(store)[0].Name,
		Port:     storePort,
		Database: database,
		Password: superuser,
		Roles:    []postgres.Role{{Name: deploy.AuditRole, Password: roles}},
	}
	for _, user := range t.Services {
		if user.Store == store {
			o.Roles = append(o.Roles, postgres.Role{Name: user.Name, Password: roles, Schema: user.Name})
		}
	}
	return o
}
