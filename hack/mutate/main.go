// Command mutate changes the conditions of a package one at a time and says which changes no test of the package notices. It compiles
// the package once, with all mutants in it, through `go test -overlay`, so that no source is touched; an environment variable
// chooses the one that is alive. A condition that can be wrong unnoticed is one that nobody has tested.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"
)

// options say what is mutated and how.
type options struct {
	dir        string // the package's directory
	equivalent string // file of the mutants that are none, see readListed
	open       string // file of the mutants that no test catches yet
	all        bool   // try those as well
	sample     int    // one mutant of so many; 1: all
	workers    int
	only       string // only mutants whose name contains it
	list       bool   // name the mutants and run none
	from       string // file with names of mutants, or lines of this program's output; only these
	write      string // write the package with its mutants to this directory and run none
}

func main() {
	var o options
	flag.StringVar(&o.equivalent, "equivalent", "hack/mutate/equivalent.txt", "file of the mutants that change nothing, with the reason")
	flag.StringVar(&o.open, "open", "hack/mutate/open.txt", "file of the mutants that no test catches yet: only others count as survivors")
	flag.BoolVar(&o.all, "all", false, "try the mutants of -open as well, and tell which of them are caught by now")
	flag.IntVar(&o.sample, "sample", 1, "try one mutant of so many, always the same ones")
	flag.IntVar(&o.workers, "workers", 2, "mutants tried at the same time")
	flag.StringVar(&o.only, "only", "", "only mutants whose name contains this")
	flag.StringVar(&o.from, "from", "", "only the mutants that this file names, one a line")
	flag.BoolVar(&o.list, "list", false, "name the mutants and try none")
	flag.StringVar(&o.write, "write", "", "write the package with its mutants, and an overlay.json for go's -overlay, to this directory and try none")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := 0
	for _, dir := range flag.Args() {
		o.dir = strings.TrimPrefix(dir, "./")
		alive, err := mutate(ctx, os.Stdout, o)
		if err != nil {
			fmt.Fprintln(os.Stderr, "mutate:", err)
			code = 2
			break
		}
		if alive > 0 {
			code = 1
		}
	}
	stop()
	os.Exit(code)
}

// untested is said of a survivor for which no test was run.
const untested = " (no test comes there)"

// mutate tries the mutants of a package and tells the survivors. It gives how many there are.
func mutate(ctx context.Context, w io.Writer, o options) (alive int, err error) {
	p, err := plant(o.dir)
	if err != nil {
		return 0, err
	}
	equivalent, err := readListed(o.equivalent, o.dir, true)
	if err != nil {
		return 0, err
	}
	open, err := readListed(o.open, o.dir, false)
	if err != nil {
		return 0, err
	}
	for file, list := range map[string]listed{o.equivalent: equivalent, o.open: open} {
		for _, name := range list.stale(p.mutants) {
			fmt.Fprintf(w, "%s names what is no mutant any more: %s\n", file, name)
		}
	}
	known := []listed{equivalent, open}
	if o.all {
		known = known[:1]
	}
	chosen, err := choose(p.mutants, o, known...)
	if err != nil {
		return 0, err
	}
	switch {
	case o.list:
		for _, m := range chosen {
			fmt.Fprintf(w, "%d\t%s\n", m.id, m.name)
		}
		return 0, nil
	case o.write != "":
		_, err := p.write(o.write)
		return 0, err
	}
	return try(ctx, w, p, chosen, equivalent, open, o)
}

// try runs the tests with each of the chosen mutants alive.
func try(ctx context.Context, w io.Writer, p *planted, chosen []mutant, equivalent, open listed, o options) (alive int, err error) {
	start := time.Now()
	r, err := prepare(ctx, p, o.workers)
	if err != nil {
		return 0, err
	}
	defer func() {
		if e := os.RemoveAll(r.temp); err == nil {
			err = e
		}
	}()
	survivors, err := r.try(ctx, chosen)
	if err != nil {
		return 0, err
	}
	living := map[string]bool{}
	for _, m := range survivors {
		living[m.name] = true
		why := ""
		if len(r.reach[m.id]) == 0 {
			why = untested
		}
		fmt.Fprintf(w, "%s:%d: survives: %s%s\n", m.file, m.line, m.name, why)
	}
	for _, m := range chosen {
		if _, was := open[m.name]; was && !living[m.name] {
			fmt.Fprintf(w, "%s: is caught by now: %s\n", o.open, m.name)
		}
	}
	fmt.Fprintf(w, "%s: %d of %d mutants tried, %d survive; listed: %d change nothing, %d are not caught yet; %s\n", p.dir, len(chosen), len(p.mutants),
		len(survivors), len(equivalent), len(open), time.Since(start).Round(time.Second))
	return len(survivors), nil
}

// choose takes the mutants that are to be tried.
func choose(all []mutant, o options, lists ...listed) ([]mutant, error) {
	named := map[string]bool{}
	if o.from != "" {
		raw, err := os.ReadFile(o.from)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(raw)) {
			name := strings.TrimSuffix(strings.TrimSpace(line), untested)
			if _, survivor, ok := strings.Cut(name, ": survives: "); ok {
				name = survivor
			}
			named[name] = true
		}
	}
	var out []mutant
	for _, m := range all {
		known := slices.ContainsFunc(lists, func(l listed) bool { _, is := l[m.name]; return is })
		if !known && strings.Contains(m.name, o.only) && m.sampled(o.sample) && (o.from == "" || named[m.name]) {
			out = append(out, m)
		}
	}
	return out, nil
}
