package collector

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

const manifestSchema = "bedlam.collector/1"

// A manifest is the collector's last word: spans/manifest.json.
type manifest struct {
	Schema string         `json:"schema"` // bedlam.collector/1
	Files  []manifestFile `json:"files"`
	Stats  Stats          `json:"stats"`
}

type manifestFile struct {
	Path   string `json:"path"` // in the run's folder, with slashes
	Bytes  int64  `json:"bytes"`
	Frames uint32 `json:"frames"`
	SHA256 string `json:"sha256"`
}

func manifestPath(dir string) string { return filepath.Join(dir, spansSignal, "manifest.json") }

// write puts the manifest in its place in one step, so that there is either
// none or a whole one.
func (m manifest) write(dir string) error {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	path := manifestPath(dir)
	f, err := os.CreateTemp(filepath.Dir(path), ".manifest-*")
	if err != nil {
		return fmt.Errorf("writing the manifest: %w", err)
	}
	_, err = f.Write(append(b, '\n'))
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("writing the manifest: %w", err)
	}
	return nil
}

// readManifest returns nil without an error if there is none: the collector
// was never closed.
func readManifest(dir string) (*manifest, error) {
	b, err := os.ReadFile(manifestPath(dir))
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the manifest: %w", err)
	}
	var m manifest
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("%w: the manifest: %w", ErrCorrupt, err)
	}
	if m.Schema != manifestSchema {
		return nil, fmt.Errorf("%w: the manifest has schema %q, want %q", ErrCorrupt, m.Schema, manifestSchema)
	}
	return &m, nil
}

func (m *manifest) file(path string) (manifestFile, bool) {
	for _, f := range m.Files {
		if f.Path == path {
			return f, true
		}
	}
	return manifestFile{}, false
}
