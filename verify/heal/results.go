package heal

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// read returns the proofs of a commit and a seed; without a file there are none.
func read(path, commit string, seed uint64) ([]Proof, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var proofs []Proof
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20) // far above any proof, which names some tens of leftovers at most
	for n := 1; lines.Scan(); n++ {
		var p Proof
		if err := json.Unmarshal(lines.Bytes(), &p); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, n, err)
		}
		if p.Commit == commit && p.Seed == seed {
			proofs = append(proofs, p)
		}
	}
	return proofs, lines.Err()
}

func has(proofs []Proof, index int) bool {
	return slices.ContainsFunc(proofs, func(p Proof) bool { return p.Index == index })
}

// add appends a proof.
func add(path string, p Proof) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	line, err := json.Marshal(p)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Close())
}
