package bedlam

import (
	"crypto/rand"
	"encoding/hex"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bedlamlab/bedlam/chaos"
)

// runID names a run among those of this machine, and begins its idempotency
// keys: the time for people, and enough chance that two never meet.
func runID(t time.Time) string {
	var b [4]byte
	rand.Read(b[:]) // never fails
	return t.UTC().Format("20060102-150405") + "-" + hex.EncodeToString(b[:])
}

// commit is the revision that this program was built from, if it knows.
func commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return Commit
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return Commit
}

// Commit is set by the linker (make build), for builds that do not stamp it.
var Commit string

// Machine says which machine this is.
func Machine() chaos.Machine {
	m := chaos.Machine{OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(), Memory: memory()}
	m.Host, _ = os.Hostname()
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	m.Kernel = strings.TrimSpace(m.Kernel)
	return m
}
