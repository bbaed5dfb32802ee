package bedlam

import (
	"context"
	"errors"
	"net"
	"path/filepath"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/fault"
	"github.com/bedlamlab/bedlam/chaos/runner"
	"github.com/bedlamlab/bedlam/chaos/toxiproxy"
)

// rebuild makes any fault that a journal may hold: an experiment's, or what was
// asked for by way of Toxiproxy's API.
func rebuild(r chaos.Resolved) (chaos.Fault, error) {
	if r.Action == toxiproxy.Action {
		return toxiproxy.Build(r)
	}
	return fault.Build(r)
}

// toxiproxyListener takes the address of the API; nil if none is wanted.
func toxiproxyListener(address string) (net.Listener, error) {
	if address == "" {
		return nil, nil
	}
	l, err := toxiproxy.Listen(address)
	if err != nil {
		return nil, usage("Toxiproxy's API cannot listen on %s: %w", address, err)
	}
	return l, nil
}

// toxics serves Toxiproxy's API on l, if it is not nil, until the function that
// it returns is called: that lifts everything.
func (s *session) toxics(l net.Listener, seed uint64, folder string) (end func(context.Context) error, err error) {
	if l == nil {
		return func(context.Context) error { return nil }, nil
	}
	journal, err := runner.CreateJournal(filepath.Join(folder, journalFile))
	if err != nil {
		return nil, err
	}
	api, err := toxiproxy.New(toxiproxy.Options{System: s.system, Journal: journal, Seed: seed, Lease: s.leased})
	if err != nil {
		return nil, errors.Join(err, journal.Close())
	}
	server := api.Server()
	go server.Serve(l) // ends with Close
	return func(ctx context.Context) error {
		return errors.Join(server.Close(), api.Close(ctx), journal.Close())
	}, nil
}
