package cell_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/bedlamlab/bedlam/deploy/cell"
)

func TestMounted(t *testing.T) {
	for _, c := range []struct {
		why, text string
		want      map[string]string
	}{
		{"v1", "29 28 0:26 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n" +
			"30 28 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n" +
			"31 28 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n",
			map[string]string{"memory": "/sys/fs/cgroup/memory", "cpu": "/sys/fs/cgroup/cpu,cpuacct"}},
		{"v2", "29 28 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n", map[string]string{"": "/sys/fs/cgroup"}},
		{"neither", "22 1 8:1 / / rw - ext4 /dev/sda1 rw\nx\n\n- cgroup\n", map[string]string{}},
	} {
		if got := cell.Mounted(c.text); !maps.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.why, got, c.want)
		}
	}
}

func FuzzMounted(f *testing.F) {
	f.Add("29 28 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n")
	f.Fuzz(func(t *testing.T, text string) {
		for controller, at := range cell.Mounted(text) {
			if !strings.Contains(text, controller) || !strings.Contains(text, at) {
				t.Errorf("%q holds %s at %s", text, controller, at)
			}
		}
	})
}
