package disk

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// mounts returns where our file systems are mounted at folder and below it, the
// last mounted first, out of a mountinfo, see proc_pid_mountinfo(5): the fifth
// field is the place, and the type stands behind a lone dash.
func mounts(mountinfo, folder string) []string {
	var all []string
	for line := range strings.Lines(mountinfo) {
		before, after, _ := strings.Cut(line, " - ")
		at, f := strings.Fields(before), strings.Fields(after)
		if len(at) < 5 || len(f) == 0 || f[0] != kind {
			continue
		}
		if place := unescape(at[4]); place == folder || strings.HasPrefix(place, strings.TrimSuffix(folder, "/")+string(filepath.Separator)) {
			all = append(all, place)
		}
	}
	slices.Reverse(all)
	return all
}

// unescape reads a path as the kernel writes it: a space, a tab, a line's end
// and a backslash stand there as a backslash and three octal digits.
func unescape(path string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(path, `\`)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		n, err := strconv.ParseUint(after[:min(3, len(after))], 8, 8)
		if err != nil || len(after) < 3 {
			b.WriteByte('\\')
			path = after
			continue
		}
		b.WriteByte(byte(n))
		path = after[3:]
	}
}
