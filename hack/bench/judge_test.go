package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestJudgings(t *testing.T) {
	t.Parallel()
	got, err := judgings(`goos: linux
BenchmarkJudge/10-2         	       1	  11000000 ns/op	        10.5 cpu-ms/op	        19.44 MiB	 6172381 B/op	   31314 allocs/op
BenchmarkJudge/10-2         	       1	  13000000 ns/op	        12.5 cpu-ms/op	        18.00 MiB	 6172381 B/op	   31315 allocs/op
BenchmarkJudge/1000         	       1	1802000000 ns/op	      1602 cpu-ms/op	       105.7 MiB	584331210 B/op	 3005209 allocs/op
BenchmarkJudge/10-2         	       1	  12000000 ns/op	        11.5 cpu-ms/op	        19.00 MiB	 6172381 B/op	   31316 allocs/op
PASS
`)
	if err != nil {
		t.Fatal(err)
	}
	want := []judging{{10, 12 * time.Millisecond, 11500 * time.Microsecond, 19.44, 31316}, {1000, 1802 * time.Millisecond, 1602 * time.Millisecond, 105.7, 3005209}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(judging{})); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	table := "| paths | Istio objects | gateway pods | time | CPU | CPU for each path | memory, the most | allocations |\n|---|---|---|---|---|---|---|---|\n" +
		"| 10 | 100 | 100 | 12 ms | 11 ms | 1.1 ms | 19 MiB | 31,316 |\n| 1,000 | 10,000 | 100 | 1802 ms | 1602 ms | 1.6 ms | 106 MiB | 3,005,209 |\n"
	if diff := cmp.Diff(table, judgeTable(got)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	for _, broken := range []string{"", "PASS", "BenchmarkJudge/x-2\t1\t2 ns/op", "BenchmarkJudge/1-2\t1\tx ns/op"} {
		if _, err := judgings(broken); err == nil {
			t.Errorf("%q: want an error", broken)
		}
	}
}

func TestThousands(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", 100000: "100,000"} {
		if got := thousands(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}
