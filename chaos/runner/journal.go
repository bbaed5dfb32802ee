package runner

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
)

// A Journal is the write-ahead log of a run: what is about to be harmed is on
// the disk before it is. It is safe for concurrent use.
type Journal struct {
	mu sync.Mutex
	f  *os.File
}

// CreateJournal makes a new journal; it refuses one that is there already.
func CreateJournal(path string) (*Journal, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("creating the journal: %w", err)
	}
	return &Journal{f: f}, nil
}

// AppendJournal opens a journal that an earlier process wrote, to write down
// what is healed. A torn last line is ended and stays: what follows begins on a
// line of its own, and nothing is cut off that a process which still lives may
// be writing.
func AppendJournal(path string) (*Journal, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return nil, fmt.Errorf("opening the journal: %w", err)
	}
	if err := endLine(f); err != nil {
		return nil, errors.Join(fmt.Errorf("ending the journal's torn line: %w", err), f.Close())
	}
	return &Journal{f: f}, nil
}

// endLine ends the last line, if it has no end.
func endLine(f *os.File) error {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return err
	}
	last := make([]byte, 1)
	if _, err := f.ReadAt(last, info.Size()-1); err != nil || last[0] == '\n' {
		return err
	}
	_, err = f.Write([]byte("\n"))
	return err
}

// Write appends an entry and returns when it is on the disk. A zero time is
// now.
func (j *Journal) Write(e chaos.Entry) error {
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, err := j.f.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("writing the journal: %w", err)
	}
	if err := j.f.Sync(); err != nil {
		return fmt.Errorf("flushing the journal: %w", err)
	}
	return nil
}

// Close closes the file.
func (j *Journal) Close() error { return j.f.Close() }

// maxEntry bounds a line of a journal: a fault on every link of a large
// topology is some tens of kilobytes.
const maxEntry = 4 << 20

// ReadJournal returns the entries of a journal. A line of which the rest is
// missing, as a crash leaves it, is not an error, whether it is the last or a
// healing came after it: torn says so. Anything else that is no entry is.
func ReadJournal(path string) (entries []chaos.Entry, torn string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	return readJournal(f)
}

func readJournal(r io.Reader) (entries []chaos.Entry, torn string, err error) {
	b := bufio.NewReader(io.LimitReader(r, 1<<30))
	for n := 1; ; n++ {
		line, err := b.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			if len(line) > 0 {
				torn = fmt.Sprintf("the journal's line %d is torn", n)
			}
			return entries, torn, nil
		}
		if err != nil {
			return entries, torn, fmt.Errorf("journal: line %d: %w", n, err)
		}
		if len(line) > maxEntry {
			return entries, torn, fmt.Errorf("journal: line %d is longer than any entry", n)
		}
		var e chaos.Entry
		if line = bytes.TrimSpace(line); cutOff(line) {
			torn = fmt.Sprintf("the journal's line %d is torn", n)
			continue
		}
		if err := json.Unmarshal(line, &e); err != nil {
			return entries, torn, fmt.Errorf("journal: line %d: %w", n, err)
		}
		if e.Kind == "" || e.Time.IsZero() {
			return entries, torn, fmt.Errorf("journal: line %d has no kind or no time", n)
		}
		entries = append(entries, e)
	}
}

// cutOff reports whether a line is the beginning of a value.
func cutOff(line []byte) bool {
	return errors.Is(json.NewDecoder(bytes.NewReader(line)).Decode(new(json.RawMessage)), io.ErrUnexpectedEOF)
}

// Live returns the faults that a journal announces and does not show as
// lifted, the latest first: the order in which to lift them.
func Live(entries []chaos.Entry) []chaos.Resolved {
	var live []chaos.Resolved
	for _, e := range entries {
		switch e.Kind {
		case chaos.Injecting:
			if e.Fault != nil {
				live = append([]chaos.Resolved{*e.Fault}, live...)
			}
		case chaos.LiftProven, chaos.Healed, chaos.Unsupported:
			for i, r := range live {
				if r.ID == e.ID {
					live = append(live[:i], live[i+1:]...)
					break
				}
			}
		}
	}
	return live
}
