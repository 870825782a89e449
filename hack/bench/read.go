package main

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// reading is one job of reading what proxies say, and how fast others were seen to do it.
type reading struct {
	benchmark string // as go test names it
	job       string
	others    string // empty: nobody does it
}

// readings are what is measured. stern's figures are of this kind of machine: it reads every line as JSON or shows it by a template.
func readings() []reading {
	return []reading{
		{"Filter/wanted.example.com-1", "leave the lines of one host", "stern --include: 95 MB/s"},
		{"Filter/*.example.com-1", "of a wildcard", "stern --include: 95 MB/s"},
		{"Filter/wanted.example.com-2", "of two hosts", ""},
		{"Filter/wanted.example.com-32", "of 32 hosts", ""},
		{"Parse/text", "read Istio's text", "stern, by a template: 39 MB/s"},
		{"Parse/stamped", "with kubectl's times", ""},
		{"Parse/json", "read Istio's JSON", ""},
		{"Read", "read a reply of /stats, 5 MB", ""},
		{"ReadMetrics", "read Prometheus' text, 5 MB", ""},
	}
}

// read measures how fast logs and counters are read, on one core, and rewrites docs/benchmarks.md.
func read(ctx context.Context, runs int) error {
	cmd := exec.CommandContext(ctx, "go", "test", "-run=^$", "-bench=^Benchmark(Filter|Parse|Read|ReadMetrics)$", "-cpu=1", "-count="+strconv.Itoa(runs), //nolint:gosec // a number
		"./stats/accesslog", "./stats/counter")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd, err, out)
	}
	table, err := readTable(string(out))
	if err != nil {
		return err
	}
	fmt.Print(table)
	return replaceBetween("docs/benchmarks.md", "<!-- read -->", "<!-- /read -->", measured(fmt.Sprintf("one of them used, median of %d runs", runs))+"\n"+table)
}

// readTable reads what `go test -bench` prints, and gives the median of each benchmark. One that is missing is an error.
func readTable(text string) (string, error) {
	rates := map[string][]float64{}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		at := slices.Index(fields, "MB/s")
		if at < 1 {
			continue
		}
		rate, err := strconv.ParseFloat(fields[at-1], 64)
		if err != nil {
			return "", fmt.Errorf("read %q: %w", line, err)
		}
		name := strings.TrimPrefix(fields[0], "Benchmark")
		rates[name] = append(rates[name], rate)
	}
	var b strings.Builder
	b.WriteString("| job | one core | others |\n|---|---|---|\n")
	for _, r := range readings() {
		all := rates[r.benchmark]
		if len(all) == 0 {
			return "", fmt.Errorf("no benchmark %s in\n%s", r.benchmark, text)
		}
		slices.Sort(all)
		fmt.Fprintf(&b, "| %s | %s MB/s | %s |\n", r.job, thousands(int(all[len(all)/2]+0.5)), r.others)
	}
	return b.String(), nil
}
