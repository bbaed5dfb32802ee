package postgres

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Programs returns a folder whose initdb, postgres and so on anybody can run
// who knows nothing of this package, as with the folder on the PATH. It is Bin
// unless those need libraries that came with them; then it is a folder in the
// cache with a script for each.
func (i *Install) Programs(ctx context.Context) (string, error) {
	if i.libs == "" {
		return i.Bin, nil
	}
	sum := sha256.Sum256([]byte(i.Bin + "\n" + i.libs))
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
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("postgres: scripts for the programs: %w", err)
	}
	return dir, nil
}

// quoted writes a word as the shell reads it.
func quoted(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }
