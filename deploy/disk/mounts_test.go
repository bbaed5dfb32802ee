package disk_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/bedlamlab/bedlam/deploy/disk"
)

func TestMounts(t *testing.T) {
	const table = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n" +
		"90 22 0:60 / /run/a/store rw,nosuid shared:9 - fuse.bedlam bedlam rw\n" +
		"91 22 0:61 / /run/a/my\\040store rw - fuse.bedlam bedlam rw\n" +
		"92 22 0:62 / /run/a/sshfs rw - fuse.sshfs host: rw\n" +
		"93 22 0:63 / /run/ab/store rw - fuse.bedlam bedlam rw\n" +
		"94 22 0:64 / /run/a/store rw - fuse.bedlam bedlam rw\n"
	for folder, want := range map[string][]string{
		"/run/a":          {"/run/a/store", "/run/a/my store", "/run/a/store"}, // the last mounted first
		"/run/a/my store": {"/run/a/my store"},
		"/run/b":          nil,
		"/run/ab/":        {"/run/ab/store"},
		"/run/a/store/x":  nil,
	} {
		if got := disk.Mounts(table, folder); !slices.Equal(got, want) {
			t.Errorf("at %s: got %q, want %q", folder, got, want)
		}
	}
}

func FuzzMounts(f *testing.F) {
	f.Add("90 22 0:60 / /a\\040b\\134 rw shared:9 - fuse.bedlam bedlam rw\n")
	f.Add("90 22 0:60 / /a\\ - fuse.bedlam\n\\0\\99")
	f.Fuzz(func(t *testing.T, table string) {
		for _, at := range disk.Mounts(table, "/a") {
			if !strings.HasPrefix(at, "/a") {
				t.Errorf("%q is not at /a", at)
			}
			if !strings.Contains(table, "fuse.bedlam") {
				t.Errorf("%q is not ours", at)
			}
		}
	})
}
