package exhaust

import (
	"bytes"
	"fmt"
	"os"
)

// first makes a process the kernel's first choice, whatever others have: it
// counts as much as all the memory that there is.
const first = "1000"

// A Standing is how a process stands with the kernel, in case that one must end.
type Standing struct {
	path  string
	score []byte
}

// StandingOf reads how a process of this machine stands.
func StandingOf(pid int) (Standing, error) {
	s := Standing{path: fmt.Sprintf("/proc/%d/oom_score_adj", pid)}
	var err error
	if s.score, err = os.ReadFile(s.path); err != nil {
		return Standing{}, fmt.Errorf("reading how process %d stands with the kernel: %w", pid, err)
	}
	return s, nil
}

// Restore makes a process that lives stand as it did. It must be of the same
// account.
func (s Standing) Restore() error { return s.write(s.score) }

func (s Standing) write(score []byte) error {
	return os.WriteFile(s.path, bytes.TrimSpace(score), 0)
}

// prefer names a process to the kernel, and returns how it stood.
func prefer(pid int) (Standing, error) {
	s, err := StandingOf(pid)
	if err != nil {
		return s, err
	}
	if err := s.write([]byte(first)); err != nil {
		return s, fmt.Errorf("naming process %d to the kernel: %w", pid, err)
	}
	return s, nil
}
