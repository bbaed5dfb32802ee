package hunt

import "math"

// z95 is the normal quantile of a two-sided interval of 95 %.
const z95 = 1.959963984540054

// Wilson returns the 95 % interval of a share of which x in n was seen; 0 to 1
// if nothing was.
func Wilson(x, n int) (low, high float64) {
	if n == 0 {
		return 0, 1
	}
	share, of := float64(x)/float64(n), float64(n)
	middle := share + z95*z95/(2*of)
	half := z95 * math.Sqrt(share*(1-share)/of+z95*z95/(4*of*of))
	whole := 1 + z95*z95/of
	return max(0, (middle-half)/whole), min(1, (middle+half)/whole)
}
