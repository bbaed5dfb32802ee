package stats

import "slices"

// Holm returns the p-values of several claims, each raised so that all claims
// whose value is at most α may be made at once and any of them is wrong with
// probability α at most, whatever their dependence (Holm, A simple sequentially
// rejective multiple test procedure, Scandinavian Journal of Statistics 6,
// 1979). It never claims less than Bonferroni's correction. The order is that
// of ps, which is not changed.
func Holm(ps []float64) []float64 {
	order := make([]int, len(ps))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case ps[a] < ps[b]:
			return -1
		case ps[a] > ps[b]:
			return 1
		}
		return 0
	})
	out := make([]float64, len(ps))
	highest := 0.0
	for rank, i := range order {
		highest = max(highest, min(1, ps[i]*float64(len(ps)-rank)))
		out[i] = highest
	}
	return out
}
