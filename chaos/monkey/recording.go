package monkey

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"sync"

	"github.com/bedlamlab/bedlam/chaos"
)

// RecordingSchema names the format of a recording: JSON lines, a header and
// then each fault before it is injected, with its time from the start.
const RecordingSchema = "bedlam.monkey/1"

// A Header is the first line of a recording.
type Header struct {
	Schema  string  `json:"schema"`
	System  string  `json:"system"` // the topology's name
	Engine  string  `json:"engine"`
	Origin  Origin  `json:"origin"`
	Options Options `json:"options"`
}

// A Recording is written while the monkey is at work. It is safe for
// concurrent use.
type Recording struct {
	mu sync.Mutex
	f  *os.File
}

// CreateRecording makes a new recording.
func CreateRecording(path string, h Header) (*Recording, error) {
	h.Schema = RecordingSchema
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("creating the recording: %w", err)
	}
	r := &Recording{f: f}
	return r, r.line(h)
}

func (r *Recording) line(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := r.f.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	return nil
}

// Write adds a fault.
func (r *Recording) Write(f chaos.Resolved) error { return r.line(f) }

// Close closes the file.
func (r *Recording) Close() error { return r.f.Close() }

const (
	maxLine   = 1 << 20 // a fault on every link of a large topology is some tens of kilobytes
	maxFaults = 1 << 20 // one a second for twelve days
)

// ReadRecording returns the faults of a recording, by time. A last line
// without its end, as a crash leaves it, was never begun and is left out.
// What the faults do, and whether there are such victims, is for others to say.
func ReadRecording(in io.Reader) (h Header, all []chaos.Resolved, err error) {
	b := bufio.NewReaderSize(in, maxLine)
	for n := 1; ; n++ {
		line, err := b.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF) && n == 1:
			return h, nil, errors.New("it is no recording: it has no first line")
		case errors.Is(err, io.EOF):
			slices.SortStableFunc(all, func(a, b chaos.Resolved) int { return int(min(max(a.At-b.At, -1), 1)) })
			return h, all, nil
		case err != nil:
			return h, nil, fmt.Errorf("line %d: %w", n, err)
		case n == 1:
			if err = strictly(line, &h); err == nil && h.Schema != RecordingSchema {
				err = fmt.Errorf("it is written in format %q, and %s is read here", h.Schema, RecordingSchema)
			}
		case n > maxFaults:
			err = fmt.Errorf("more than %d faults", maxFaults)
		default:
			var r chaos.Resolved
			if err = strictly(line, &r); err == nil {
				err = recorded(r)
			}
			all = append(all, r)
		}
		if err != nil {
			return h, nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
}

func strictly(line []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return plain(err)
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows the value")
	}
	return nil
}

// recorded says what no monkey would have done.
func recorded(r chaos.Resolved) error {
	switch {
	case r.ID == "" || r.Action == "":
		return errors.New("it is no fault: it has no name")
	case r.At < 0 || r.At.D() > farthest || math.MaxInt64-r.At < r.Duration:
		return fmt.Errorf("%s begins at %s", r.ID, r.At)
	case r.Duration.D() < ShortestHold || r.Duration.D() > LongestHold:
		return fmt.Errorf("%s is on for %s: want %s to %s", r.ID, r.Duration, ShortestHold, LongestHold)
	}
	return nil
}
