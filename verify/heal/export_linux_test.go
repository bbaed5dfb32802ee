package heal

import (
	"fmt"
	"maps"
)

// Kernel notes what there is, and returns what says what is left of a run.
func Kernel() (left func(run string) []string) {
	k := newKernel()
	return func(run string) []string { return k.left([]string{run}) }
}

// Reading asks the kernel about what is kept for a run, and returns what says
// what has changed.
func Reading(run string) (changed func() []string) {
	before := read(nil, []string{run})
	return func() []string { return read(nil, []string{run}).changed(before) }
}

// Held returns what says all that the kernel has of a run and of the processes
// that stand in its folder.
func Held(scratch, run string) (held func() map[string]string, err error) {
	k := newKernel()
	w, err := newWatch(scratch, 0)
	return func() map[string]string {
		w.look()
		all := maps.Clone(map[string]string(read(w.living(), []string{run})))
		for _, pid := range w.living() {
			if holder(pid) || skewed(pid) {
				all[fmt.Sprintf("harm by or of process %d (%s)", pid, command(pid))] = ""
			}
		}
		for _, text := range k.left([]string{run}) {
			all[text] = ""
		}
		return all
	}, err
}
