package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// reading is one job of reading what proxies say, and how fast others were seen to do it.
type reading struct {
	room      string // package under stats
	benchmark string // as go test names it
	times     int    // how often it is done, some tenths of a second's work
	job       string
	others    string // empty: nobody does it
}

// readings are what is measured. stern's figures are of this kind of machine: it reads every line as JSON or shows it by a template.
func readings() []reading {
	const lines, counters = "accesslog", "counter"
	return []reading{
		{lines, "Filter/wanted.example.com-1", 2000, "leave the lines of one host", "stern --include: 95 MB/s"},
		{lines, "Filter/^.\\.example.com-1", 2000, "of a wildcard", "stern --include: 95 MB/s"},
		{lines, "Filter/wanted.example.com-2", 2000, "of two hosts", ""},
		{lines, "Filter/wanted.example.com-32", 2000, "of 32 hosts", ""},
		{lines, "Parse/text", 200, "read Istio's text", "stern, by a template: 39 MB/s"},
		{lines, "Parse/stamped", 200, "with kubectl's times", ""},
		{lines, "Parse/json", 200, "read Istio's JSON", ""},
		{counters, "Read", 40, "read a reply of /stats, 5 MB", ""},
		{counters, "ReadMetrics", 20, "read Prometheus' text, 5 MB", ""},
	}
}

// read measures how fast logs and counters are read, by the CPU time that it takes, and rewrites docs/benchmarks.md.
func read(ctx context.Context, runs int) error {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // leaves a temporary directory at worst
	var rates []float64
	for _, r := range readings() {
		binary := filepath.Join(dir, r.room)
		if _, err := os.Stat(binary); err != nil {
			build := exec.CommandContext(ctx, "go", "test", "-c", "-o", binary, "./stats/"+r.room) //nolint:gosec // one of two names
			if out, err := build.CombinedOutput(); err != nil {
				return fmt.Errorf("%s: %w\n%s", build, err, out)
			}
		}
		rate, err := r.rate(ctx, binary, runs)
		if err != nil {
			return err
		}
		rates = append(rates, rate)
	}
	table := readTable(rates)
	fmt.Print(table)
	return replaceBetween("docs/benchmarks.md", "<!-- read -->", "<!-- /read -->", measured(fmt.Sprintf("CPU time, median of %d runs", runs))+"\n"+table)
}

// rate is in MB a second of CPU time: that of many times, less that of one, which is the program's start.
func (r reading) rate(ctx context.Context, binary string, runs int) (float64, error) {
	var all []float64
	for range runs {
		start, _, err := r.run(ctx, binary, 1)
		if err != nil {
			return 0, err
		}
		took, bytes, err := r.run(ctx, binary, r.times)
		if err != nil {
			return 0, err
		}
		if took <= start {
			return 0, fmt.Errorf("%s: %d times take no longer than once", r.benchmark, r.times)
		}
		all = append(all, bytes*float64(r.times-1)/1e6/(took-start).Seconds())
	}
	slices.Sort(all)
	return all[len(all)/2], nil
}

// run does a benchmark so often, and says what CPU time that took and how many bytes are read each time.
func (r reading) run(ctx context.Context, binary string, times int) (cpu time.Duration, bytes float64, err error) {
	pattern := "^Benchmark" + strings.ReplaceAll(r.benchmark, "/", "$/") + "$"
	cmd := exec.CommandContext(ctx, binary, "-test.run=^$", "-test.bench="+pattern, "-test.cpu=1", "-test.benchtime="+strconv.Itoa(times)+"x") //nolint:gosec // our own
	cmd.Dir = filepath.Join("stats", r.room)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return 0, 0, fmt.Errorf("%s: %w\n%s", cmd, err, out)
	}
	bytes, err = bytesRead(string(out))
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), bytes, err
}

// bytesRead is how much a benchmark reads each time, by what go test prints of its one.
func bytesRead(text string) (float64, error) {
	found := 0.0
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		rate, took := slices.Index(fields, "MB/s"), slices.Index(fields, "ns/op")
		if rate < 1 || took < 1 {
			continue
		}
		mb, err1 := strconv.ParseFloat(fields[rate-1], 64)
		ns, err2 := strconv.ParseFloat(fields[took-1], 64)
		if err1 != nil || err2 != nil || found > 0 {
			return 0, fmt.Errorf("not one benchmark in\n%s", text)
		}
		found = mb * ns / 1000
	}
	if found == 0 {
		return 0, fmt.Errorf("no benchmark in\n%s", text)
	}
	return found, nil
}

func readTable(rates []float64) string {
	var b strings.Builder
	b.WriteString("| job | one core | others |\n|---|---|---|\n")
	for i, r := range readings() {
		fmt.Fprintf(&b, "| %s | %s MB/s | %s |\n", r.job, thousands(int(rates[i]+0.5)), r.others)
	}
	return b.String()
}
