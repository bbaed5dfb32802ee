package bedlam

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"github.com/bedlamlab/bedlam/deploy"
)

// eventsFile holds the crashes and restarts that the supervisors saw, one JSON
// object a line.
const eventsFile = "events"

// An eventLog writes events down as they happen.
type eventLog struct {
	mu  sync.Mutex
	f   *os.File
	err error
}

func createEvents(path string) (*eventLog, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	return &eventLog{f: f}, nil
}

func (l *eventLog) write(e deploy.Event) {
	line, err := json.Marshal(e)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		_, err = l.f.Write(append(line, '\n'))
	}
	if err != nil && l.err == nil {
		l.err = fmt.Errorf("writing events: %w", err)
	}
}

func (l *eventLog) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(l.err, l.f.Close())
}

// readEvents returns the events of a run; a torn last line is said, not refused.
func readEvents(path string) (events []deploy.Event, torn string, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "there are no events", nil
	}
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	b := bufio.NewReader(f)
	for n := 1; ; n++ {
		line, err := b.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			if len(line) > 0 {
				torn = fmt.Sprintf("line %d of the events is torn", n)
			}
			return events, torn, nil
		}
		if err != nil {
			return nil, "", err
		}
		var e deploy.Event
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, "", fmt.Errorf("events: line %d: %w", n, err)
		}
		events = append(events, e)
	}
}
