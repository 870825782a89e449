package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// listed are mutants by name, with the reason why they stand in a list.
type listed map[string]string

// readListed reads those of a package. A line is NAME " # " REASON, the name as this program tells it; empty lines and lines that
// begin with # say nothing. An absent file has none.
func readListed(file, dir string, reasons bool) (listed, error) {
	raw, err := os.ReadFile(file) // #nosec G304 -- the caller names its own file
	if err != nil && !os.IsNotExist(err) && file != "" {
		return nil, err
	}
	out := listed{}
	number := 0
	for line := range strings.Lines(string(raw)) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, reason, ok := strings.Cut(line, " # ")
		if name, reason = strings.TrimSpace(name), strings.TrimSpace(reason); reasons && (!ok || reason == "") {
			return nil, fmt.Errorf("%s:%d: no reason; a line is NAME # REASON", file, number)
		}
		if strings.HasPrefix(name, dir+"/") {
			out[name] = reason
		}
	}
	return out, nil
}

// stale gives those that name no mutant: the code has changed, and the reason is to be thought over.
func (l listed) stale(all []mutant) []string {
	known := map[string]bool{}
	for _, m := range all {
		known[m.name] = true
	}
	var out []string
	for name := range l {
		if !known[name] {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
