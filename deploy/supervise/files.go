package supervise

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/postgres"
	"github.com/bedlamlab/bedlam/topology"
)

// A Description is what stands in system.json: all that another process needs
// to have powers over the system. It holds passwords, so it is its owner's only.
type Description struct {
	Schema   string                      `json:"schema"` // the engine's own
	Run      string                      `json:"run"`
	Topology topology.System             `json:"topology"`
	Layout   Layout                      `json:"layout"`
	Token    string                      `json:"token"` // of the relay's control port
	Stores   map[string]postgres.Options `json:"stores"`
	// Guests are the instances that somebody else made, by the name under which
	// the engine finds them for good: a container's ID.
	Guests map[string]string `json:"guests,omitempty"`
	// Cells says that each instance has a network namespace and cgroups of its
	// own; Spared is where they send telemetry, which no harm to their packets
	// may touch. Bedlam is the program that holds such harms.
	Cells  bool             `json:"cells,omitempty"`
	Spared []netip.AddrPort `json:"spared,omitempty"`
	Bedlam string           `json:"bedlam,omitempty"`
	// Disks says that the folder of each store is a disk of its own.
	Disks bool `json:"disks,omitempty"`
	// NameServer is the host:port of the relay's; empty: instances are told
	// addresses, and no names.
	NameServer string `json:"name_server,omitempty"`
	// GuestStores are the PostgreSQL URLs of the audit's role at their stores,
	// for those that somebody has told.
	GuestStores map[string]string `json:"guest_stores,omitempty"`
}

// relayed reports whether there is a relay.
func (d Description) relayed() bool { return d.Layout.Control != "" }

// Names returns the name of everything that runs: the instances and the relay,
// if there is one.
func (d Description) Names() []string {
	var all []string
	for _, in := range d.Topology.Instances() {
		all = append(all, in.Name)
	}
	if d.relayed() {
		all = append(all, Relay)
	}
	return all
}

// Gentle returns the signal that asks an instance to end.
func (d Description) Gentle(instance string) syscall.Signal {
	if d.stores(instance) {
		return postgres.FastShutdown
	}
	return syscall.SIGTERM
}

// Disked reports whether an instance has a disk of its own: who keeps files does,
// and these are the stores.
func (d Description) Disked(instance string) bool { return d.Disks && d.stores(instance) }

// stores reports whether an instance is a store.
func (d Description) stores(instance string) bool {
	for service := range d.Stores {
		for _, in := range d.Topology.InstancesOf(service) {
			if in.Name == instance {
				return true
			}
		}
	}
	return false
}

// IsStore reports whether v is a PostgreSQL server.
func IsStore(v topology.Service) bool { return v.Protocol == topology.Postgres }

// An Identity names one life of an instance for good: a process id is used
// again after its process has gone, the pair with its start is not.
type Identity struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // in the engine's own unit; only ever compared
}

// A Record is what stands in an instance's state file.
type Record struct {
	Identity     // zero while it is down
	Starts   int `json:"starts"`
	OOMKills int `json:"oom_kills,omitempty"` // lives that ended with ErrOOMKilled
}

// Files is a run's scratch folder, an absolute path without symbolic links:
// the kernel tells working directories in that form.
type Files struct{ Scratch string }

func (f Files) system() string              { return filepath.Join(f.Scratch, "system.json") }
func (f Files) owner() string               { return filepath.Join(f.Scratch, "owner") }
func (f Files) state(name string) string    { return filepath.Join(f.Scratch, "state", name+".json") }
func (f Files) heldMark(name string) string { return filepath.Join(f.Scratch, "state", name+".held") }

func (f Files) rule(id string) string {
	return filepath.Join(f.Scratch, "rules", url.PathEscape(id)+".json")
}

// Folder is an instance's own folder, if the engine makes one.
func (f Files) Folder(name string) string { return filepath.Join(f.Scratch, name) }

// Make lays out the empty scratch folder, with a folder for each of the names.
func (f Files) Make(d Description, folders ...string) error {
	if err := f.Describe(d); err != nil { // first: it marks the folder as ours
		return err
	}
	for _, name := range []string{"state", "rules"} {
		if err := os.Mkdir(filepath.Join(f.Scratch, name), 0o700); err != nil {
			return err
		}
	}
	for _, name := range folders {
		// Others may pass through: PostgreSQL's account is not root's.
		if err := os.Mkdir(f.Folder(name), 0o755); err != nil {
			return err
		}
	}
	return nil
}

func (f Files) description(schema string) (Description, error) {
	var d Description
	if err := readJSON(f.system(), &d); err != nil {
		return d, err
	}
	if d.Schema != schema {
		return d, fmt.Errorf("%s has schema %q, want %q", f.system(), d.Schema, schema)
	}
	return d, nil
}

// Describe replaces the description, by an engine that learns of what it
// describes step by step.
func (f Files) Describe(d Description) error { return WriteJSON(f.system(), d) }

// Open finds the scratch folder of a run that the engine with this schema
// brought up.
func Open(scratch, schema string) (Files, Description, error) {
	real, err := realPath(scratch)
	if err != nil {
		return Files{}, Description{}, err
	}
	f := Files{Scratch: real}
	d, err := f.description(schema)
	return f, d, err
}

// Record reads an instance's state; one that was never started has none.
func (f Files) Record(name string) (Record, error) {
	var r Record
	err := readJSON(f.state(name), &r)
	if errors.Is(err, fs.ErrNotExist) {
		return Record{}, nil
	}
	return r, err
}

func (f Files) held(name string) bool {
	_, err := os.Stat(f.heldMark(name))
	return err == nil
}

// rules reads the rules that the relay should have.
func (f Files) rules() ([]deploy.Rule, error) {
	found, err := os.ReadDir(filepath.Join(f.Scratch, "rules"))
	if err != nil {
		return nil, err
	}
	var all []deploy.Rule
	for _, entry := range found {
		if !strings.HasSuffix(entry.Name(), ".json") {
			continue
		}
		var r deploy.Rule
		err := readJSON(filepath.Join(f.Scratch, "rules", entry.Name()), &r)
		if errors.Is(err, fs.ErrNotExist) {
			continue // lifted just now
		}
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

func readJSON(path string, to any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, to); err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	return nil
}

// WriteJSON replaces the file at once, so that no reader ever sees half of it.
// It is not synced: what it speaks of does not outlive the machine either.
func WriteJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // 0600
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
