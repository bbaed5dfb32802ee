package shrink

import "slices"

// fewer is the algorithm ddmin: it returns a part of all, in its order, that
// still fails and of which no single element can go. all fails, and the empty
// part is never tried. On an error it returns the smallest until then.
func fewer[T any](all []T, fails func([]T) (bool, error)) ([]T, error) {
	for n := 2; len(all) > 1; {
		size := (len(all) + n - 1) / n
		found := false
		for from := 0; from < len(all); from += size {
			to := min(from+size, len(all))
			candidates := [][]T{slices.Clone(all[from:to])}
			if n > 2 { // of two halves, what is left without one is the other
				candidates = append(candidates, slices.Concat(all[:from], all[to:]))
			}
			for _, c := range candidates {
				ok, err := fails(c)
				if err != nil {
					return all, err
				}
				if ok {
					all, found = c, true
					break
				}
			}
			if found {
				break
			}
		}
		switch {
		case found:
			n = 2
		case size == 1:
			return all, nil
		default:
			n = min(2*n, len(all))
		}
	}
	return all, nil
}
