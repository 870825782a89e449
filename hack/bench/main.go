// Command bench measures the plugin beside kubectl and istioctl on the cluster of the current kubeconfig and rewrites the
// benchmark table of README.md and docs/benchmarks.md. Both sides are measured in one run, so the ratios hold on any machine.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// cost is what a run of a command, or of several one after the other, took.
type cost struct {
	wall, cpu time.Duration
	rss       int64 // KiB, the largest process
}

// row compares one job: the plugin's way and the way it is done without it.
type row struct {
	job           string
	ours, theirs  string // what was run, for people
	oursC, byHand cost
}

func main() {
	binary := flag.String("binary", "bin/kubectl-egress", "the plugin, stripped as released")
	runs := flag.Int("runs", 20, "runs of each command; the median counts")
	large := flag.Bool("scale", false, "measure sets of many domains instead, once; takes minutes")
	many := flag.Bool("judge", false, "measure instead how check grows with the number of paths; needs no cluster")
	lines := flag.Bool("read", false, "measure instead how fast logs and counters are read; needs no cluster")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	var err error
	switch {
	case *large:
		err = scale(ctx, *binary)
	case *many:
		err = judge(ctx, 5)
	case *lines:
		err = read(ctx, 3)
	default:
		err = run(ctx, *binary, *runs)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, binary string, runs int) error {
	rows, err := measure(ctx, binary, runs)
	if err != nil {
		return err
	}
	sizes, err := binarySizes(binary)
	if err != nil {
		return err
	}
	table := render(rows, sizes)
	fmt.Print(table)
	machine := measured(fmt.Sprintf("median of %d runs, everything in one run of `make bench`", runs))
	for _, file := range []string{"README.md", "docs/benchmarks.md"} {
		if err := replaceBetween(file, "<!-- benchmarks -->", "<!-- /benchmarks -->", machine+"\n"+table); err != nil {
			return err
		}
	}
	return overBudget(rows, binary)
}

// What the program may cost; what costs more makes the bench fail.
const (
	mostBytes  = 33_000_000            // of the binary, stripped
	mostStart  = 20 * time.Millisecond // CPU of --help
	mostMemory = 64 << 10              // of check, in KiB
)

// overBudget says what costs more than it may.
func overBudget(rows []row, binary string) error {
	info, err := os.Stat(binary)
	if err != nil {
		return err
	}
	if info.Size() > mostBytes {
		err = errors.Join(err, fmt.Errorf("the binary has %d bytes, %d are allowed", info.Size(), mostBytes))
	}
	for _, r := range rows {
		if r.ours == "`--help`" && r.oursC.cpu > mostStart {
			err = errors.Join(err, fmt.Errorf("--help takes %s of CPU, %s are allowed", r.oursC.cpu, mostStart))
		}
		if r.ours == "`check`" && r.oursC.rss > mostMemory {
			err = errors.Join(err, fmt.Errorf("check takes %d KiB, %d are allowed", r.oursC.rss, mostMemory))
		}
	}
	return err
}

// measured says when and on what.
func measured(how string) string {
	return fmt.Sprintf("Measured %s on %d cores (%s), %s.\n", time.Now().UTC().Format(time.DateOnly), runtime.NumCPU(), cpuModel(), how)
}

// byHand is what the documents tell people to run for one path: the objects, the gateway's log and counters, its
// certificate, and (today, instead of /etc/certs) the proxy's configuration.
func byHand() [][]string {
	const ns, gw = "istio-system", "deploy/istio-egressgateway"
	return [][]string{
		{"kubectl", "get", "serviceentries,gateways.networking.istio.io,virtualservices,destinationrules", "-A", "-o", "yaml"},
		{"kubectl", "-n", ns, "logs", gw, "--tail=100"},
		{"kubectl", "-n", ns, "exec", gw, "--", "pilot-agent", "request", "GET", "stats"},
		{"kubectl", "-n", ns, "exec", gw, "--", "pilot-agent", "request", "GET", "clusters"},
		{"istioctl", "proxy-config", "secret", "-n", ns, gw},
		{"istioctl", "proxy-config", "listener", "-n", ns, gw},
		{"istioctl", "proxy-config", "listener", "deploy/sleep"},
		{"istioctl", "proxy-config", "cluster", "deploy/sleep"},
		{"istioctl", "proxy-status"},
	}
}

func measure(ctx context.Context, binary string, runs int) ([]row, error) {
	jobs := []struct {
		job, ours, theirs string
		a, b              [][]string
	}{
		{"start", "`--help`", "`kubectl version --client`", [][]string{{binary, "--help"}}, [][]string{{"kubectl", "version", "--client"}}},
		{"start", "`--help`", "`istioctl version --remote=false`", [][]string{{binary, "--help"}}, [][]string{{"istioctl", "version", "--remote=false"}}},
		{"diagnose every path", "`check`", "the documents' nine commands for one path", [][]string{{binary, "check"}}, byHand()},
		{"diagnose every path", "`check`", "`istioctl analyze -A`", [][]string{{binary, "check"}}, [][]string{{"istioctl", "analyze", "-A"}}},
	}
	rows := make([]row, 0, len(jobs))
	measured := map[string]cost{} // ours, once each: every row compares with the same figure
	for _, j := range jobs {
		a, ok := measured[j.ours]
		if !ok {
			var err error
			if a, err = median(ctx, j.a, runs); err != nil {
				return nil, err
			}
			measured[j.ours] = a
		}
		b, err := median(ctx, j.b, runs)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row{job: j.job, ours: j.ours, theirs: j.theirs, oursC: a, byHand: b})
	}
	return rows, nil
}

// median runs the commands one after the other, as often as asked, and gives the median of each figure.
func median(ctx context.Context, commands [][]string, runs int) (cost, error) {
	all := make([]cost, 0, runs)
	for range runs {
		var sum cost
		for _, argv := range commands {
			c, err := once(ctx, argv)
			if err != nil {
				return cost{}, err
			}
			sum.wall += c.wall
			sum.cpu += c.cpu
			sum.rss = max(sum.rss, c.rss)
		}
		all = append(all, sum)
	}
	pick := func(of func(cost) int64) int64 {
		v := make([]int64, len(all))
		for i, c := range all {
			v[i] = of(c)
		}
		slices.Sort(v)
		return v[len(v)/2]
	}
	return cost{
		wall: time.Duration(pick(func(c cost) int64 { return int64(c.wall) })),
		cpu:  time.Duration(pick(func(c cost) int64 { return int64(c.cpu) })),
		rss:  pick(func(c cost) int64 { return c.rss }),
	}, nil
}

func once(ctx context.Context, argv []string) (cost, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...) // #nosec G204 -- the commands are listed in this file
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	start := time.Now()
	err := cmd.Run()
	wall := time.Since(start)
	// istioctl analyze ends with 79 when it has found something; what it costs is what counts here
	if err != nil && (argv[0] != "istioctl" || cmd.ProcessState.ExitCode() != 79) {
		return cost{}, fmt.Errorf("%s: %w\n%s", strings.Join(argv, " "), err, stderr.String())
	}
	c := cost{wall: wall, cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		c.rss = u.Maxrss
	}
	return c, nil
}

func binarySizes(binary string) (string, error) {
	var parts []string
	for _, name := range []string{binary, "kubectl", "istioctl"} {
		path, err := exec.LookPath(name)
		if err != nil {
			return "", err
		}
		info, err := os.Stat(path)
		if err != nil {
			return "", err
		}
		parts = append(parts, fmt.Sprintf("%.1f MB", float64(info.Size())/1e6))
	}
	return fmt.Sprintf("| binary, stripped | %s | kubectl %s, istioctl %s | | |\n", parts[0], parts[1], parts[2]), nil
}

func render(rows []row, sizes string) string {
	var b strings.Builder
	b.WriteString("| job | kubectl egress | without it | time | CPU |\n|---|---|---|---|---|\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s | %s: %s, CPU %s, %d MiB | %s: %s, CPU %s, %d MiB | %.1fx | %.1fx |\n", r.job,
			r.ours, ms(r.oursC.wall), ms(r.oursC.cpu), r.oursC.rss/1024,
			r.theirs, ms(r.byHand.wall), ms(r.byHand.cpu), r.byHand.rss/1024,
			float64(r.byHand.wall)/float64(r.oursC.wall), float64(r.byHand.cpu)/float64(r.oursC.cpu))
	}
	b.WriteString(sizes)
	return b.String()
}

func ms(d time.Duration) string {
	if d >= 10*time.Second {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}

func cpuModel() string {
	raw, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(raw)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.TrimSpace(strings.TrimLeft(name, " \t:"))
		}
	}
	return runtime.GOARCH
}

// replaceBetween rewrites what stands between two marker lines of a file.
func replaceBetween(file, from, to, text string) error {
	raw, err := os.ReadFile(file) //nolint:gosec // the two files are named in this program
	if err != nil {
		return err
	}
	head, rest, ok := strings.Cut(string(raw), from)
	if !ok {
		return fmt.Errorf("%s: no line %s", file, from)
	}
	_, tail, ok := strings.Cut(rest, to)
	if !ok {
		return fmt.Errorf("%s: no line %s", file, to)
	}
	return os.WriteFile(file, []byte(head+from+"\n"+text+to+tail), 0o600) //nolint:gosec // the two files are named in this program
}
