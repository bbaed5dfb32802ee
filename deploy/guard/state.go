package guard

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// StateDir returns this user's state folder and makes it if need be:
// $BEDLAM_STATE, else $XDG_STATE_HOME/bedlam, else ~/.local/state/bedlam, else
// (root without a home) /var/lib/bedlam. It is the user's own and closed to
// others (0700), since what stands in it decides which processes are ended.
func StateDir() (string, error) {
	dir, err := statePath()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("making the state folder: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return "", fmt.Errorf("looking at the state folder: %w", err)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) != os.Geteuid() {
		return "", fmt.Errorf("the state folder %s belongs to user %d, not to %d: set BEDLAM_STATE to a folder of your own", dir, st.Uid, os.Geteuid())
	}
	if info.Mode().Perm() != 0o700 {
		if err := os.Chmod(dir, 0o700); err != nil {
			return "", fmt.Errorf("closing the state folder to others: %w", err)
		}
	}
	return dir, nil
}

func statePath() (string, error) {
	if dir := os.Getenv("BEDLAM_STATE"); dir != "" {
		return filepath.Abs(dir)
	}
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) { // the XDG specification says to ignore relative ones
		return filepath.Join(dir, "bedlam"), nil
	}
	if home, err := os.UserHomeDir(); err == nil && filepath.IsAbs(home) && home != "/" {
		return filepath.Join(home, ".local", "state", "bedlam"), nil
	}
	if os.Geteuid() == 0 {
		return "/var/lib/bedlam", nil
	}
	return "", fmt.Errorf("no place for the state folder: set BEDLAM_STATE or HOME")
}
