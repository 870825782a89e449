package accesslog

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

func TestFilter(t *testing.T) {
	t.Parallel()
	begun := time.Date(2026, 11, 21, 1, 51, 36, 970e6, time.UTC)
	passthrough := strings.Replace(connection, " edition.cnn.com -", " - -", 1)
	for _, c := range []struct {
		name string
		f    Filter
		raw  string
		want bool
	}{
		{"all", Filter{}, connection, true},
		{"server name", Filter{Hosts: []egress.Host{"edition.cnn.com"}}, connection, true},
		{"Host header in capitals with a port", Filter{Hosts: []egress.Host{"edition.cnn.com"}}, request, true},
		{"wildcard", Filter{Hosts: []egress.Host{"*.cnn.com"}}, connection, true},
		{"wildcard does not cover its domain", Filter{Hosts: []egress.Host{"*.edition.cnn.com"}}, connection, false},
		{"cluster", Filter{Hosts: []egress.Host{"edition.cnn.com"}}, passthrough, true},
		{"cluster of a wildcard", Filter{Hosts: []egress.Host{"*.cnn.com"}}, strings.ReplaceAll(passthrough, "edition.cnn.com", "*.cnn.com"), true},
		{"another host", Filter{Hosts: []egress.Host{"cnn.com"}}, connection, false},
		{"one of two hosts", Filter{Hosts: []egress.Host{"a.example.com", "edition.cnn.com"}}, connection, true},
		{"in the path only", Filter{Hosts: []egress.Host{"a.example.com"}}, strings.Replace(request, "/politics", "/a.example.com", 1), false},
		{"flag", Filter{Flags: []string{"UF"}}, request, true},
		{"part of a flag", Filter{Flags: []string{"UR"}}, request, false},
		{"any flag", Filter{Flags: []string{AnyFlag}}, request, true},
		{"any flag, none there", Filter{Flags: []string{AnyFlag}}, connection, false},
		{"no flag", Filter{Flags: []string{NoFlag}}, connection, true},
		{"code", Filter{Codes: []Codes{{404, 404}, {500, 599}}}, request, true},
		{"other code", Filter{Codes: []Codes{{404, 404}}}, request, false},
		{"since the millisecond in which it ended", Filter{Since: begun.Add(time.Millisecond)}, request, true},
		{"since later", Filter{Since: begun.Add(2 * time.Millisecond)}, request, false},
		{"written later than it ended", Filter{Since: begun.Add(time.Second)}, "2026-11-21T01:51:40Z " + request, true},
		{"all of them", Filter{Hosts: []egress.Host{"*.cnn.com"}, Flags: []string{"URX"}, Codes: []Codes{{503, 503}}}, request, true},
	} {
		if got := c.f.Match(parse(t, c.raw)); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestParseCodesAndFlags(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]Codes{"404": {404, 404}, "5xx": {500, 599}, "4XX": {400, 499}, "500-599": {500, 599}, "0": {0, 0}} {
		if got, err := ParseCodes(s); err != nil || got != want {
			t.Errorf("%s: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "x", "5x", "599-500", "1000", "-1", "0xx", "5xx-6xx"} {
		if got, err := ParseCodes(s); err == nil {
			t.Errorf("%q is %v", s, got)
		}
	}
	for s, want := range map[string]string{"uf": "UF", "NoRouteFound": "NR", "Any": AnyFlag, "none": NoFlag, "NEW1": "NEW1"} {
		if got, err := ParseFlag(s); err != nil || got != want {
			t.Errorf("%s: %q, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "U F", "é"} {
		if got, err := ParseFlag(s); err == nil {
			t.Errorf("%q is %q", s, got)
		}
	}
}

// TestSieve: whatever the hosts, what comes through the sieve and the filter is what comes through the filter alone.
func TestSieve(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	for i := range 200 {
		fmt.Fprintf(&text, "%s\n", strings.ReplaceAll(connection, "edition.cnn.com", fmt.Sprintf("h%d.example.com", i%20)))
		fmt.Fprintf(&text, "%s\n", strings.Replace(request, "CNN.com", fmt.Sprintf("H%d.Example.COM", i%7), 1))
		fmt.Fprintln(&text, nginxLine)
	}
	many := make([]egress.Host, 0, 20)
	for i := range 20 {
		many = append(many, egress.Host(fmt.Sprintf("h%d.example.com", i)))
	}
	long := egress.Host(strings.Repeat("a-long-label.", 8) + "example.com") // longer than any step
	fmt.Fprint(&text, strings.ReplaceAll(connection, "edition.cnn.com", string(long)))
	chunk := text.Bytes() // the last line may be without end
	for name, hosts := range map[string][]egress.Host{
		"all": nil, "one, long": {"h3.example.com"}, "one, short": {"*.example.com"}, "all of a top level": {"*.org"}, "longest": {long},
		"three at once": {"h1.example.com", "www.wikipedia.org", "nowhere.example.org"}, "short, at once": {"*.org", "h1.example.com", "a.b.net", "c.d.e", "f.g.h"},
		"short, one by one": {"*.org", "h1.example.com"}, "many": many,
	} {
		f := Filter{Hosts: hosts}
		s, all := f.Sieve(), Sieve{}
		if at := strings.Contains(name, "at once") || name == "many" || strings.Contains(name, "long"); at != (s.strider != nil) || len(s.needles) > maxNeedles {
			t.Errorf("%s: at once %t, %d needles", name, s.strider != nil, len(s.needles))
		}
		if got, want := chosen(t, &f, &s, chunk), chosen(t, &f, &all, chunk); len(want) == 0 || !cmp.Equal(got, want) {
			t.Errorf("%v: %d lines, want %d", hosts, len(got), len(want))
		}
	}
	stop := errors.New("stop")
	one := Filter{Hosts: []egress.Host{"h3.example.com"}}
	s := one.Sieve()
	if err := s.Each(chunk, func([]byte) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("error %v", err)
	}
}

func chosen(t *testing.T, f *Filter, s *Sieve, chunk []byte) []string {
	t.Helper()
	var p Parser
	var l Line
	var got []string
	err := s.Each(chunk, func(line []byte) error {
		if p.Parse(line, &l) && f.Match(&l) {
			got = append(got, string(l.Raw))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// hostFilter wants one host.
func hostFilter(host string) (Filter, error) {
	h, err := egress.ParseHost(host)
	return Filter{Hosts: []egress.Host{h}}, err
}
