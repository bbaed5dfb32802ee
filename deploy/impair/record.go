package impair

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/bedlamlab/bedlam/deploy/supervise"
)

// A record is what stands on the disk of one impairment on one instance, from
// before it is done until it is undone.
type record struct {
	Job // with its target as it was when it was done

	path string
}

func (p *Plane) path(id, instance string) string {
	return filepath.Join(p.folder, url.PathEscape(id), instance+".json")
}

// lockOf is the file beside a record that its holder has locked.
func lockOf(record string) string { return strings.TrimSuffix(record, ".json") + ".lock" }

func (r record) write() error { return supervise.WriteJSON(r.path, r) }

// stands reports whether nobody has struck the record out meanwhile.
func (r record) stands() bool {
	_, err := os.Stat(r.path)
	return err == nil
}

// strike removes the record, and its folder with the last one.
func (r record) strike() error {
	for _, path := range []string{lockOf(r.path), r.path} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	os.Remove(filepath.Dir(r.path)) // not while there are others in it
	return nil
}

// records reads all that stands of one impairment, or with an empty id of all.
func (p *Plane) records(id string) ([]record, error) {
	folders := []string{url.PathEscape(id)}
	if id == "" {
		entries, err := os.ReadDir(p.folder)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		folders = nil
		for _, e := range entries {
			folders = append(folders, e.Name())
		}
	}
	var all []record
	for _, folder := range folders {
		entries, err := os.ReadDir(filepath.Join(p.folder, folder))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, e := range entries {
			if filepath.Ext(e.Name()) != ".json" || strings.HasPrefix(e.Name(), ".") {
				continue
			}
			r := record{path: filepath.Join(p.folder, folder, e.Name())}
			b, err := os.ReadFile(r.path)
			if errors.Is(err, fs.ErrNotExist) {
				continue // struck out just now
			}
			if err == nil {
				err = json.Unmarshal(b, &r)
			}
			if err != nil {
				return nil, fmt.Errorf("reading %s: %w", r.path, err)
			}
			all = append(all, r)
		}
	}
	return all, nil
}
