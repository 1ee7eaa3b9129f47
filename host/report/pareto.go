package report

import "slices"

// front marks the points that no other one dominates: is at least as good in
// everything and better in something. Less is better; points that are alike in everything
// are all on the front or all off it.
func front(points [][]float64) []bool {
	on := make([]bool, len(points))
	for i, p := range points {
		on[i] = !slices.ContainsFunc(points, func(q []float64) bool { return dominates(q, p) })
	}
	return on
}

func dominates(a, b []float64) bool {
	better := false
	for i := range a {
		if a[i] > b[i] {
			return false
		}
		better = better || a[i] < b[i]
	}
	return better
}
