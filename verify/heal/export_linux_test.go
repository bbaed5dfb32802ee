package heal

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
