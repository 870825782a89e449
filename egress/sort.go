package egress

import (
	"cmp"
	"slices"
)

// SortFunc sorts s in place by compare, which is negative where a comes before b. Equal elements keep their order.
//
// It is slices.SortStableFunc in less room: that one is compiled anew for every type of struct, some 20 kB each in the binary,
// and this one only for the numbers of places.
func SortFunc[T any](s []T, compare func(a, b T) int) {
	places := make([]int, len(s))
	for i := range places {
		places[i] = i
	}
	slices.SortFunc(places, func(i, j int) int { return cmp.Or(compare(s[i], s[j]), cmp.Compare(i, j)) })
	sorted := make([]T, len(s))
	for i, p := range places {
		sorted[i] = s[p]
	}
	copy(s, sorted)
}
