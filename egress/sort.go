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
	sorted := make([]T, len(s))
	for i, p := range order(len(s), func(i, j int) int { return compare(s[i], s[j]) }) {
		sorted[i] = s[p]
	}
	copy(s, sorted)
}

// order gives the places of n elements as they come when sorted.
func order(n int, compare func(i, j int) int) []int {
	places := make([]int, n)
	for i := range places {
		places[i] = i
	}
	slices.SortFunc(places, func(i, j int) int { return cmp.Or(compare(i, j), cmp.Compare(i, j)) })
	return places
}
