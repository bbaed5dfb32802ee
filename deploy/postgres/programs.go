package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Programs returns a folder whose initdb, postgres and so on anybody can run
// who knows nothing of this package, as with the folder on the PATH. It is Bin
// unless those need libraries that came with them; then it is a folder in the
// cache with a script for each, by which [Find] finds what is behind them.
func (i *Install) Programs(ctx context.Context) (string, error) {
	if i.libs == "" {
		return i.Bin, nil
	}
	told, err := json.Marshal(behind{i.Bin, i.libs})
	if err != nil {
		return "", fmt.Errorf("postgres: %w", err)
	}
	sum := sha256.Sum256(told)
	parent := filepath.Join(i.cache, "programs")
	name := fmt.Sprintf("%d-%x", i.Major, sum[:8])
	dir := filepath.Join(parent, name)
	if exists(dir) {
		return dir, nil
	}
	release, err := lock(ctx, parent, name, nil)
	if readOnly(err) {
		return "", fmt.Errorf("postgres: %w: %s", err, another)
	}
	if err != nil {
		return "", fmt.Errorf("postgres: %w", err)
	}
	defer release()
	err = build(dir, func(temp string) error {
		for _, program := range matches(i.Bin, "*") {
			script := fmt.Sprintf("#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s \"$@\"\n", quoted(i.libs), quoted(program))
			path := filepath.Join(temp, filepath.Base(program))
			if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
				return err
			}
			if err := os.Chmod(path, 0o755); err != nil { // whatever the umask
				return err
			}
		}
		return os.WriteFile(filepath.Join(temp, behindFile), told, 0o644)
	})
	if err != nil {
		return "", fmt.Errorf("postgres: scripts for the programs: %w", err)
	}
	return dir, nil
}

// behind is what stands behind a folder of scripts.
type behind struct {
	Bin  string `json:"bin"`
	Libs string `json:"libs"`
}

// behindFile is where a folder of scripts says so.
const behindFile = "behind.json"

// lookBehind returns the folder of the programs themselves, and the search path
// for their libraries, if bin is a folder of scripts; else bin.
func lookBehind(bin string) behind {
	var b behind
	text, err := os.ReadFile(filepath.Join(bin, behindFile))
	if err != nil || json.Unmarshal(text, &b) != nil || b.Bin == "" {
		return behind{Bin: bin}
	}
	return b
}

// quoted writes a word as the shell reads it.
func quoted(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }
