package report

// What the tests look at from outside that no report shows by itself.
var (
	Share    = share
	Duration = duration
	Bins     = bins
	Linear   = linear
	Decades  = decades
	Clock    = clock
	Plain    = plain
	Size     = size
)

func Count(n int) string { return count(n) }
