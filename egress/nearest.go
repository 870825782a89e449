package egress

import "strings"

// Nearest gives the candidate that s was most likely meant to be, or "" if none is near: two slips at most, and less than half
// of the word.
func Nearest(s string, candidates []string) string {
	best, least := "", min(2, (len(s)-1)/2)+1
	for _, c := range candidates {
		d := slips(s, c)
		if len(s) > 3 && strings.HasPrefix(c, s) {
			d = min(d, 1)
		}
		if d < least {
			best, least = c, d
		}
	}
	return best
}

// slips counts how many letters have to be put in, taken out, changed or swapped with their neighbour to make b of a.
func slips(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			row[j] = last[j-1]
			if a[i-1] != b[j-1] {
				row[j] = 1 + min(last[j-1], last[j], row[j-1])
			}
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
