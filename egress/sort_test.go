package egress_test

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// numbered has a key to sort by and the place that it began at.
type numbered struct{ Key, Place int }

func byKey(a, b numbered) int { return cmp.Compare(a.Key, b.Key) }

func TestSortFuncIsStable(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{0, 1, 2, 12, 13, 100, 1000} {
		for _, keys := range []int{1, 3, size + 1} {
			given := make([]numbered, size)
			for i := range given {
				given[i] = numbered{Key: random.IntN(keys), Place: i}
			}
			want := slices.Clone(given)
			slices.SortStableFunc(want, byKey)
			egress.SortFunc(given, byKey)
			if diff := gocmp.Diff(want, given); diff != "" {
				t.Errorf("%d elements of %d keys (-want +got):\n%s", size, keys, diff)
			}
		}
	}
}

func BenchmarkSortFunc(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 2))
	given := make([]numbered, 1000)
	for i := range given {
		given[i] = numbered{Key: random.IntN(1000), Place: i}
	}
	for name, sorter := range map[string]func([]numbered, func(a, b numbered) int){
		"house":  egress.SortFunc[numbered],
		"slices": slices.SortStableFunc[[]numbered],
	} {
		b.Run(name, func(b *testing.B) {
			s := make([]numbered, len(given))
			for b.Loop() {
				copy(s, given)
				sorter(s, byKey)
			}
		})
	}
}
