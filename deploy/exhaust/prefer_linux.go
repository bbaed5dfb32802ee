package exhaust

import (
	"bytes"
	"fmt"
	"os"
)

// first makes a process the kernel's first choice, whatever others have: it
// counts as much as all the memory that there is.
const first = "1000"

// A preference is how a process stood with the kernel before.
type preference struct {
	path  string
	score []byte
}

// prefer names a process to the kernel, in case that one must end. It must be
// of the same account.
func prefer(pid int) (preference, error) {
	p := preference{path: fmt.Sprintf("/proc/%d/oom_score_adj", pid)}
	var err error
	if p.score, err = os.ReadFile(p.path); err == nil {
		err = os.WriteFile(p.path, []byte(first), 0)
	}
	if err != nil {
		return preference{}, fmt.Errorf("naming process %d to the kernel: %w", pid, err)
	}
	return p, nil
}

// restore takes it back from one that lives.
func (p preference) restore() error {
	return os.WriteFile(p.path, bytes.TrimSpace(p.score), 0)
}
