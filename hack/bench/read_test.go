package main

import (
	"strings"
	"testing"
)

func TestReadTable(t *testing.T) {
	t.Parallel()
	rates := make([]float64, len(readings()))
	for i := range rates {
		rates[i] = 1000.4 + float64(i)
	}
	got := readTable(rates)
	if rows := strings.Count(got, "\n"); rows != len(readings())+2 || !strings.Contains(got, "| leave the lines of one host | 1,000 MB/s | stern --include: 95 MB/s |\n") ||
		!strings.Contains(got, "| of two hosts | 1,002 MB/s |  |\n") {
		t.Errorf("%d rows\n%s", rows, got)
	}
}

func TestBytesRead(t *testing.T) {
	t.Parallel()
	const line = "BenchmarkFilter/*.example.com-1 \t 2000\t 500000 ns/op\t 2000.00 MB/s\t 0 B/op\n"
	if got, err := bytesRead("goos: linux\n" + line + "PASS\n"); err != nil || got != 1e6 {
		t.Errorf("%f, %v", got, err)
	}
	for _, broken := range []string{"", "PASS\n", line + line, "BenchmarkRead 1 2 ns/op x MB/s"} {
		if _, err := bytesRead(broken); err == nil {
			t.Errorf("%q: want an error", broken)
		}
	}
}
