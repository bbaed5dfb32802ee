package collector

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Load reads back what a collector kept in a run's folder. The store answers
// as the collector did; torn says what is missing (a tail that was cut off,
// spans dropped above the limit), one sentence each, and each makes a run
// inconclusive. A file that was changed, or that this version cannot read, is
// an error that wraps [ErrCorrupt]; a folder without a recording is one that
// wraps [fs.ErrNotExist].
func Load(dir string) (*Store, []string, error) {
	m, err := readManifest(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("loading %s: %w", dir, err)
	}
	if _, err := os.Stat(filepath.Join(dir, spansSignal)); err != nil {
		return nil, nil, fmt.Errorf("loading the recording: %w", err)
	}
	s := newStore()
	s.metrics.levels = map[string]*level{}
	var torn []string
	for _, signal := range signals {
		t, err := s.loadFile(dir, signal, m)
		if err != nil {
			return nil, nil, fmt.Errorf("loading %s: %w", dir, err)
		}
		torn = append(torn, t...)
	}
	if m == nil {
		return s, append(torn, "spans: the collector was not closed; its last moments are missing"), nil
	}
	s.stats = m.Stats
	return s, append(torn, m.Stats.Torn()...), nil
}

// Stats returns the counts that the collector wrote when it was closed; of a
// run that was cut short they are zero.
func (s *Store) Stats() Stats {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.stats
}

func (s *Store) loadFile(dir, signal string, m *manifest) (torn []string, err error) {
	name := signal + "/" + signal + ".otlp"
	var want *manifestFile
	if m != nil {
		f, ok := m.file(name)
		if !ok {
			return nil, fmt.Errorf("%w: the manifest does not name %s", ErrCorrupt, name)
		}
		want = &f
	}
	file, err := os.Open(filepath.Join(dir, filepath.FromSlash(name)))
	if errors.Is(err, fs.ErrNotExist) {
		return []string{signal + ": the file is missing"}, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	sum := sha256.New()
	r := &counted{r: io.TeeReader(bufio.NewReaderSize(file, 64<<10), sum)}
	t, err := readFrames(r, signal, s.reader(signal))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if _, err := io.Copy(io.Discard, r); err != nil {
		return nil, err
	}
	switch {
	case want == nil || want.Bytes > r.n:
		if t == "" && want != nil {
			t = fmt.Sprintf("cut off at byte %d of %d", r.n, want.Bytes)
		}
	case want.Bytes < r.n:
		return nil, fmt.Errorf("%w: %s has %d bytes, the manifest says %d", ErrCorrupt, name, r.n, want.Bytes)
	case want.SHA256 != hex.EncodeToString(sum.Sum(nil)):
		return nil, fmt.Errorf("%w: %s is not the file that was written: its SHA-256 differs", ErrCorrupt, name)
	}
	if t != "" {
		torn = append(torn, signal+": "+t)
	}
	return torn, nil
}

// reader takes a frame of one signal into the store.
func (s *Store) reader(signal string) func(raw []byte) error {
	switch signal {
	case spansSignal:
		var q request
		return func(raw []byte) error {
			q.reset()
			if err := q.parse(raw); err != nil {
				return err
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			s.insert(&q)
			return nil
		}
	case metricsSignal:
		return s.metrics.take
	}
	return func([]byte) error { return nil } // logs are kept for people
}

// counted counts what is read.
type counted struct {
	r io.Reader
	n int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}
