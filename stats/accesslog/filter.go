package accesslog

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// Filter says which lines are wanted. The zero value wants all.
type Filter struct {
	Hosts []egress.Host // lines about one of them; empty: about any
	Flags []string      // lines with one of these response flags, "any" for any flag, "none" for none; empty: whatever flags
	Codes []Codes       // lines with a code in one of them; empty: whatever code
	Since time.Time     // lines that were written then or later; zero: from the first on
}

// Codes is a range of HTTP codes, both ends included.
type Codes struct{ From, To int64 }

// Flags that stand for several.
const (
	AnyFlag = "any"
	NoFlag  = "none"
)

// ParseCodes reads 404, 5xx or 500-599.
func ParseCodes(s string) (Codes, error) {
	low := strings.ToLower(s)
	if len(low) == 3 && strings.HasSuffix(low, "xx") && low[0] >= '1' && low[0] <= '9' {
		from := int64(low[0]-'0') * 100
		return Codes{from, from + 99}, nil
	}
	first, last, isRange := strings.Cut(low, "-")
	if !isRange {
		last = first
	}
	from, err1 := strconv.ParseInt(first, 10, 64)
	to, err2 := strconv.ParseInt(last, 10, 64)
	if err1 != nil || err2 != nil || from < 0 || to < from || to > 999 {
		return Codes{}, fmt.Errorf("%q is no HTTP code; give one like 404, 5xx or 500-599", s)
	}
	return Codes{from, to}, nil
}

// ParseFlag checks a response flag, in either case. Flags that Envoy itself does not know are refused only if they cannot be any.
func ParseFlag(s string) (string, error) {
	if low := strings.ToLower(s); low == AnyFlag || low == NoFlag {
		return low, nil
	}
	upper := strings.ToUpper(s)
	for _, c := range upper {
		if (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' {
			return "", fmt.Errorf("%q is no response flag; give one like UF or NR, any, or none", s)
		}
	}
	if upper == "" {
		return "", fmt.Errorf("an empty response flag; give one like UF or NR, any, or none")
	}
	for _, f := range &responseFlags {
		if strings.EqualFold(f.long, s) {
			return f.short, nil
		}
	}
	return upper, nil
}

// Match says whether a line is wanted.
func (f *Filter) Match(l *Line) bool {
	if !f.Since.IsZero() && !l.At().IsZero() && l.At().Before(f.Since) {
		return false
	}
	return f.matchHost(l) && f.matchFlags(l) && f.matchCode(l)
}

// All says whether every line is wanted but for its time.
func (f *Filter) All() bool { return len(f.Hosts) == 0 && len(f.Flags) == 0 && len(f.Codes) == 0 }

func (f *Filter) matchCode(l *Line) bool {
	return len(f.Codes) == 0 || slices.ContainsFunc(f.Codes, func(c Codes) bool { return l.Code >= c.From && l.Code <= c.To })
}

func (f *Filter) matchFlags(l *Line) bool {
	if len(f.Flags) == 0 {
		return true
	}
	for _, want := range f.Flags {
		switch {
		case want == AnyFlag && len(l.Flags) > 0, want == NoFlag && len(l.Flags) == 0, hasFlag(l.Flags, want):
			return true
		}
	}
	return false
}

// hasFlag looks for one flag among those of a line without taking them apart.
func hasFlag(flags []byte, want string) bool {
	for len(flags) > 0 {
		one := flags
		if comma := bytes.IndexByte(flags, ','); comma >= 0 {
			one, flags = flags[:comma], flags[comma+1:]
		} else {
			flags = nil
		}
		if string(one) == want {
			return true
		}
	}
	return false
}

// matchHost: the server name, the Host header, or the host that the cluster is of.
func (f *Filter) matchHost(l *Line) bool {
	if len(f.Hosts) == 0 {
		return true
	}
	parts, _ := SplitCluster(l.UpstreamCluster)
	authority := withoutPort(l.Authority)
	for _, h := range f.Hosts {
		if names(h, l.SNI) || names(h, authority) || names(h, parts.Host) {
			return true
		}
	}
	return false
}

// names says whether a host, exact or wildcard, covers the name in a line.
func names(h egress.Host, name []byte) bool {
	name = bytes.TrimSuffix(name, []byte("."))
	if !h.IsWildcard() {
		return equalFold(name, string(h))
	}
	suffix := string(h[1:])
	if equalFold(name, string(h)) { // the cluster of a wildcard is named by it
		return true
	}
	return len(name) > len(suffix) && equalFold(name[len(name)-len(suffix):], suffix)
}

// equalFold compares with a word in lower case.
func equalFold(b []byte, word string) bool {
	if len(b) != len(word) {
		return false
	}
	for i := range b {
		c := b[i]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != word[i] {
			return false
		}
	}
	return true
}
