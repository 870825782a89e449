package main

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// judging is what BenchmarkJudge tells of one size.
type judging struct {
	paths       int
	took, cpu   time.Duration
	mib         float64
	allocations int
}

// judge measures how check grows with the number of paths, and rewrites docs/benchmarks.md.
func judge(ctx context.Context, runs int) error {
	cmd := exec.CommandContext(ctx, "go", "test", "-run=^$", "-bench=^BenchmarkJudge$", "-benchtime=1x", "-count="+strconv.Itoa(runs), "./diagnose") // #nosec G204 -- a number
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd, err, out)
	}
	all, err := judgings(string(out))
	if err != nil {
		return err
	}
	table := judgeTable(all)
	fmt.Print(table)
	return replaceBetween("docs/benchmarks.md", "<!-- judge -->", "<!-- /judge -->", measured(fmt.Sprintf("median of %d runs", runs))+"\n"+table)
}

// judgings reads what `go test -bench` prints, and gives the median of each size.
func judgings(text string) ([]judging, error) {
	bySize := map[int][]judging{}
	for line := range strings.Lines(text) {
		name, rest, ok := strings.Cut(strings.TrimSpace(line), "\t")
		size, isOurs := strings.CutPrefix(name, "BenchmarkJudge/")
		if !ok || !isOurs {
			continue
		}
		size, _, _ = strings.Cut(strings.TrimSpace(size), "-")
		paths, err := strconv.Atoi(size)
		if err != nil {
			return nil, fmt.Errorf("read %q: %w", line, err)
		}
		values := map[string]float64{}
		fields := strings.Fields(rest)[1:] // the first is how often it ran
		for i := 0; i+1 < len(fields); i += 2 {
			if values[fields[i+1]], err = strconv.ParseFloat(fields[i], 64); err != nil {
				return nil, fmt.Errorf("read %q: %w", line, err)
			}
		}
		bySize[paths] = append(bySize[paths], judging{paths, time.Duration(values["ns/op"]), time.Duration(values["cpu-ms/op"] * 1e6), values["MiB"], int(values["allocs/op"])})
	}
	var out []judging
	for _, runs := range bySize {
		slices.SortFunc(runs, func(a, b judging) int { return int(a.cpu - b.cpu) })
		middle := runs[len(runs)/2]
		for _, r := range runs {
			middle.mib = max(middle.mib, r.mib) // the most of all runs
		}
		out = append(out, middle)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no benchmark in\n%s", text)
	}
	slices.SortFunc(out, func(a, b judging) int { return a.paths - b.paths })
	return out, nil
}

func judgeTable(all []judging) string {
	var b strings.Builder
	b.WriteString("| paths | Istio objects | gateway pods | time | CPU | CPU for each path | memory, the most | allocations |\n|---|---|---|---|---|---|---|---|\n")
	for _, j := range all {
		fmt.Fprintf(&b, "| %s | %s | 100 | %s | %s | %.1f ms | %.0f MiB | %s |\n", thousands(j.paths), thousands(10*j.paths), ms(j.took), ms(j.cpu),
			float64(j.cpu.Microseconds())/1000/float64(j.paths), j.mib, thousands(j.allocations))
	}
	return b.String()
}

// thousands writes a number with commas.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
