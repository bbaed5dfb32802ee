package impair_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/disk"
	"github.com/bedlamlab/bedlam/deploy/impair"
)

// disks are arguments of each kind of harm to a disk.
var disks = map[string]string{impair.DiskFull: `{"free":4096}`, impair.DiskSlow: `{"latency":"20ms","percent":100}`, impair.DiskReadOnly: ``}

// Who has no disk of its own is told what would give it one, before anything is
// touched.
func TestDisksNeedDisks(t *testing.T) {
	for kind, args := range disks {
		h, err := impair.Build(deploy.Impairment{ID: "x/1", Instances: []string{"a"}, Kind: kind, Args: []byte(args)})
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Can(impair.Target{Instance: "a", Data: t.TempDir()}); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "where a fault of the run needs it") {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// To a disk that is not there nothing is done, and nothing has to be undone.
func TestDisksThatAreGone(t *testing.T) {
	gone := impair.Target{Instance: "a", Disk: disk.At(t.TempDir(), "a")}
	for kind, args := range disks {
		h, err := impair.Build(deploy.Impairment{ID: "x/1", Instances: []string{"a"}, Kind: kind, Args: []byte(args)})
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Apply(t.Context(), gone, func(any) error { return nil }); err == nil {
			t.Errorf("%s is done to a disk that is not there", kind)
		}
		for range 2 {
			if err := h.Undo(t.Context(), gone, json.RawMessage(nil)); err != nil {
				t.Errorf("%s: %v", kind, err)
			}
		}
		if shows, err := h.Shows(t.Context(), gone); err != nil || shows {
			t.Errorf("%s shows on a disk that is not there: %t, %v", kind, shows, err)
		}
	}
}

func TestDisksRefuse(t *testing.T) {
	for _, c := range []struct{ kind, args, want string }{
		{impair.DiskFull, `{"free":-1}`, "disk_full: free must be"},
		{impair.DiskSlow, `{"latency":"20ms"}`, "disk_slow: percent must be"},
		{impair.DiskSlow, `{"latency":"1h","percent":100}`, "disk_slow: latency must be"},
		{impair.DiskReadOnly, `{"percent":50}`, `disk_read_only: unknown field "percent"`},
	} {
		if _, err := impair.Build(deploy.Impairment{ID: "x/1", Instances: []string{"a"}, Kind: c.kind, Args: []byte(c.args)}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: got %v, want %s", c.kind, c.args, err, c.want)
		}
	}
}
