package main

import (
	"fmt"
	"strings"
	"testing"
)

func TestReadTable(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString("goos: linux\n")
	for i, r := range readings() {
		for _, rate := range []float64{1000.4, 3000, 2} {
			fmt.Fprintf(&text, "Benchmark%s \t 716\t 1648912 ns/op\t %.2f MB/s\t 0 B/op\n", r.benchmark, rate+float64(i))
		}
	}
	got, err := readTable(text.String())
	if err != nil {
		t.Fatal(err)
	}
	if rows := strings.Count(got, "\n"); rows != len(readings())+2 || !strings.Contains(got, "| leave the lines of one host | 1,000 MB/s | stern --include: 95 MB/s |\n") ||
		!strings.Contains(got, "| of a wildcard | 1,001 MB/s |") {
		t.Errorf("%d rows\n%s", rows, got)
	}
	for _, broken := range []string{"", "BenchmarkRead 1 2 ns/op x MB/s", strings.Replace(text.String(), "BenchmarkReadMetrics", "BenchmarkOther", -1)} {
		if _, err := readTable(broken); err == nil {
			t.Errorf("%.60q: want an error", broken)
		}
	}
}
