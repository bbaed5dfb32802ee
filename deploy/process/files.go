package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/postgres"
	"github.com/bedlamlab/bedlam/topology"
)

// schema is the version of system.json.
const schema = "bedlam.process/1"

// A description is what stands in system.json: all that another process needs
// to have powers over the system. It holds passwords, so it is its owner's only.
type description struct {
	Schema   string                      `json:"schema"`
	Run      string                      `json:"run"`
	Topology topology.System             `json:"topology"`
	Layout   layout                      `json:"layout"`
	Token    string                      `json:"token"` // of the relay's control port
	Stores   map[string]postgres.Options `json:"stores"`
	Owner    identity                    `json:"owner"` // whose keepers they are
}

// A record is what stands in an instance's state file.
type record struct {
	identity     // zero while it is down
	Starts   int `json:"starts"`
}

// files is a run's scratch folder, an absolute path without symbolic links:
// the kernel tells working directories in that form.
type files struct{ scratch string }

func (f files) system() string              { return filepath.Join(f.scratch, "system.json") }
func (f files) folder(name string) string   { return filepath.Join(f.scratch, name) }
func (f files) state(name string) string    { return filepath.Join(f.scratch, "state", name+".json") }
func (f files) heldMark(name string) string { return filepath.Join(f.scratch, "state", name+".held") }

func (f files) rule(id string) string {
	return filepath.Join(f.scratch, "rules", url.PathEscape(id)+".json")
}

// make lays out the empty scratch folder.
func (f files) make(d description) error {
	if err := writeJSON(f.system(), d); err != nil { // first: it marks the folder as ours
		return err
	}
	for _, name := range []string{"state", "rules"} {
		if err := os.Mkdir(filepath.Join(f.scratch, name), 0o700); err != nil {
			return err
		}
	}
	for _, name := range append(names(d.Topology), relayName) {
		// Others may pass through: PostgreSQL's account is not root's.
		if err := os.Mkdir(f.folder(name), 0o755); err != nil {
			return err
		}
	}
	return nil
}

func names(t topology.System) []string {
	var all []string
	for _, in := range t.Instances() {
		all = append(all, in.Name)
	}
	return all
}

func (f files) description() (description, error) {
	var d description
	if err := readJSON(f.system(), &d); err != nil {
		return d, err
	}
	if d.Schema != schema {
		return d, fmt.Errorf("%s has schema %q, want %q", f.system(), d.Schema, schema)
	}
	return d, nil
}

// record reads an instance's state; one that was never started has none.
func (f files) record(name string) (record, error) {
	var r record
	err := readJSON(f.state(name), &r)
	if errors.Is(err, fs.ErrNotExist) {
		return record{}, nil
	}
	return r, err
}

func (f files) held(name string) bool {
	_, err := os.Stat(f.heldMark(name))
	return err == nil
}

// rules reads the rules that the relay should have.
func (f files) rules() ([]deploy.Rule, error) {
	found, err := os.ReadDir(filepath.Join(f.scratch, "rules"))
	if err != nil {
		return nil, err
	}
	var all []deploy.Rule
	for _, entry := range found {
		if !strings.HasSuffix(entry.Name(), ".json") {
			continue
		}
		var r deploy.Rule
		err := readJSON(filepath.Join(f.scratch, "rules", entry.Name()), &r)
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

// writeJSON replaces the file at once, so that no reader ever sees half of it.
// It is not synced: what it speaks of does not outlive the machine either.
func writeJSON(path string, v any) error {
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
