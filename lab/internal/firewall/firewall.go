// Package firewall reads what iptables-save prints, and works out what to take away so that the machine's rules are as
// they were before. Other people's rules are never rewritten: no table is flushed.
package firewall

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Table is one table of one family.
type Table struct {
	Name string
	// Chains maps each chain to its policy: "ACCEPT", "DROP", or "-" for a chain that somebody made.
	Chains map[string]string
	// Rules in order, as iptables-save prints them: "-A FORWARD -j KUBE-FORWARD".
	Rules []string
}

// Parse reads the output of iptables-save. Counters and comments are dropped.
func Parse(text string) ([]Table, error) {
	var tables []Table
	var open *Table
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "*"):
			tables = append(tables, Table{Name: line[1:], Chains: map[string]string{}})
			open = &tables[len(tables)-1]
		case line == "COMMIT":
			open = nil
		case open == nil:
			return nil, fmt.Errorf("iptables-save, line %d: %q stands outside any table", n, line)
		case strings.HasPrefix(line, ":"):
			f := strings.Fields(line[1:])
			if len(f) < 2 {
				return nil, fmt.Errorf("iptables-save, line %d: chain %q has no policy", n, line)
			}
			open.Chains[f[0]] = f[1]
		case strings.HasPrefix(line, "-A "), strings.HasPrefix(line, "["):
			rule := withoutCounter(line)
			if chainOf(rule) == "" {
				return nil, fmt.Errorf("iptables-save, line %d: rule %q names no chain", n, line)
			}
			open.Rules = append(open.Rules, rule)
		default:
			return nil, fmt.Errorf("iptables-save, line %d: cannot read %q", n, line)
		}
	}
	if open != nil {
		return nil, errors.New("iptables-save: table " + open.Name + " does not end: the output is cut")
	}
	return tables, nil
}

// withoutCounter drops the "[packets:bytes] " that iptables-save -c puts before a rule.
func withoutCounter(line string) string {
	if strings.HasPrefix(line, "[") {
		if _, rest, ok := strings.Cut(line, "] "); ok {
			return rest
		}
	}
	return line
}

func chainOf(rule string) string {
	f := strings.Fields(rule)
	if len(f) < 2 || f[0] != "-A" {
		return ""
	}
	return f[1]
}

// targetOf is the chain or target a rule jumps to. What stands in quotes is a comment, whatever it looks like.
func targetOf(rule string) string {
	f := strings.Fields(unquoted(rule))
	for i := len(f) - 2; i >= 2; i-- {
		if f[i] == "-j" || f[i] == "-g" {
			return f[i+1]
		}
	}
	return ""
}

// unquoted is a rule without what stands in double quotes; a backslash keeps the quote after it from counting.
func unquoted(rule string) string {
	var b strings.Builder
	inside := false
	for i := 0; i < len(rule); i++ {
		switch {
		case rule[i] == '\\' && inside:
			i++
		case rule[i] == '"':
			inside = !inside
		case !inside:
			b.WriteByte(rule[i])
		}
	}
	return b.String()
}

// Ours tells whether a chain is one that the lab's programs make: kube-proxy's and the kubelet's, the CNI plugins', the
// lab's own.
func Ours(chain string) bool {
	for _, prefix := range []string{"KUBE-", "CNI-", "LAB-"} {
		if strings.HasPrefix(chain, prefix) {
			return true
		}
	}
	return false
}

// Removal is the input for `iptables-restore --noflush` that takes away the lab's chains and the rules that jump to
// them, as far as they are not in before. It is empty if there is nothing to take away.
func Removal(before, now []Table) string {
	var b strings.Builder
	for _, t := range now {
		old := find(before, t.Name)
		ours := func(chain string) bool {
			_, was := old.Chains[chain]
			_, is := t.Chains[chain]
			return Ours(chain) && is && !was
		}
		var lines []string
		for _, r := range t.Rules {
			if !ours(chainOf(r)) && ours(targetOf(r)) {
				lines = append(lines, "-D"+strings.TrimPrefix(r, "-A"))
			}
		}
		var chains []string
		for c := range t.Chains {
			if ours(c) {
				chains = append(chains, c)
			}
		}
		slices.Sort(chains)
		// All are emptied before one is deleted, because they jump to each other.
		for _, c := range chains {
			lines = append(lines, "-F "+c)
		}
		for _, c := range chains {
			lines = append(lines, "-X "+c)
		}
		if len(lines) > 0 {
			fmt.Fprintf(&b, "*%s\n%s\nCOMMIT\n", t.Name, strings.Join(lines, "\n"))
		}
	}
	return b.String()
}

func find(tables []Table, name string) Table {
	for _, t := range tables {
		if t.Name == name {
			return t
		}
	}
	return Table{}
}

// Normal is what the tables do, as sorted text to compare: rules, chains somebody made, and policies other than ACCEPT.
// A table that does nothing does not appear: merely looking at one makes it exist.
func Normal(tables []Table) string {
	var out []string
	for _, t := range tables {
		var lines []string
		for c, policy := range t.Chains {
			if policy != "ACCEPT" {
				lines = append(lines, ":"+c+" "+policy)
			}
		}
		slices.Sort(lines)
		lines = append(lines, t.Rules...)
		if len(lines) > 0 {
			out = append(out, "*"+t.Name+"\n"+strings.Join(lines, "\n")+"\n")
		}
	}
	slices.Sort(out)
	return strings.Join(out, "")
}
