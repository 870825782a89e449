package egress

import (
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Limits of RFC 1035 for names without the trailing dot.
const (
	maxHost  = 253
	maxLabel = 63
)

// maxGiven bounds what is looked at, in bytes: turning a name to punycode takes time by the square of its length.
const maxGiven = 4 * maxHost

// Host is a checked host name: lower case, punycode, without trailing dot, exact ("edition.cnn.com") or with one whole
// label as wildcard ("*.wikipedia.org"). ParseHost is the only way to one.
type Host string

// ParseHost checks and normalises a host name. Every refusal is an *InputError.
func ParseHost(s string) (Host, error) {
	if err := refuseNotAName(s); err != nil {
		return "", err
	}
	name, wild := strings.CutPrefix(s, "*.")
	name, err := toASCII(s, name)
	if err != nil {
		return "", err
	}
	name = strings.TrimSuffix(name, ".")
	if wild {
		name = "*." + name
	}
	if err := checkName(s, name); err != nil {
		return "", err
	}
	return Host(name), nil
}

// ParseHosts checks and sorts host names. Names that are the same once normalised are refused: a list with duplicates is
// most likely not the list that was meant.
func ParseHosts(args []string) ([]Host, error) {
	if len(args) == 0 {
		return nil, Inputf("no host name given; name at least one, for example edition.cnn.com")
	}
	seen := make(map[Host]string, len(args))
	hosts := make([]Host, 0, len(args))
	for _, a := range args {
		h, err := ParseHost(a)
		if err != nil {
			return nil, err
		}
		if before, twice := seen[h]; twice {
			if before == a {
				return nil, Inputf("%q is given twice; name each host once", a)
			}
			return nil, Inputf("%q and %q are the same host %s; name each host once", before, a, h)
		}
		seen[h] = a
		hosts = append(hosts, h)
	}
	slices.Sort(hosts)
	return hosts, nil
}

// IsWildcard says whether the host stands for all names below a domain.
func (h Host) IsWildcard() bool { return strings.HasPrefix(string(h), "*.") }

// Domain is the host without its wildcard label.
func (h Host) Domain() string { return strings.TrimPrefix(string(h), "*.") }

// Covers says whether h is o, or a wildcard that matches every name that o stands for. As in Istio and Envoy a wildcard
// stands for one or more labels: *.wikipedia.org covers a.b.wikipedia.org, and it does not cover wikipedia.org.
func (h Host) Covers(o Host) bool {
	if h == o {
		return true
	}
	return h.IsWildcard() && strings.HasSuffix(o.Domain(), string(h[1:]))
}

// refuseNotAName tells apart what people often paste in place of a host name.
func refuseNotAName(s string) error {
	switch {
	case s == "":
		return Inputf("empty host name; give one like edition.cnn.com")
	case len(s) > maxGiven:
		return Inputf("%.40q… has %d bytes; a host name has at most %d characters", s, len(s), maxHost)
	case !utf8.ValidString(s):
		return Inputf("%q is not text in UTF-8", s)
	case strings.ContainsAny(s, " \t\r\n"):
		return Inputf("%q holds white space; separate host names by commas only", s)
	case strings.Contains(s, "://"):
		return Inputf("%q has a scheme; give the host name alone", s)
	case isAddress(s):
		return Inputf("%s is an IP address; egress by SNI or Host header needs a host name", s)
	case strings.Contains(s, "/"):
		return Inputf("%q has a path; give the host name alone", s)
	case strings.Contains(s, ":"):
		return Inputf("%q has a port; give the host name alone, the mode decides the port", s)
	case s == "*" || s == "*.":
		return Inputf("%q alone would send every outside host through the gateway; name a domain, for example *.wikipedia.org", s)
	}
	return nil
}

// isAddress knows addresses in the forms in which URLs, CIDR lists and address:port pairs hold them.
func isAddress(s string) bool {
	s = strings.TrimSuffix(s, ".")
	if _, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return true
	}
	if _, err := netip.ParsePrefix(s); err == nil {
		return true
	}
	_, err := netip.ParseAddrPort(s)
	return err == nil
}

// toASCII lower-cases and turns international names to punycode. Plain ASCII names go round the IDNA tables, which refuse
// names in real use such as r3---sn-4g5e6nez.googlevideo.com.
func toASCII(given, name string) (string, error) {
	if isASCII(name) {
		return strings.ToLower(name), nil
	}
	p := idna.New(idna.MapForLookup(), idna.BidiRule(), idna.Transitional(false), idna.StrictDomainName(true), idna.CheckHyphens(false))
	ascii, err := p.ToASCII(name)
	if err != nil {
		return "", Inputf("%q is not a valid international host name: %v", given, err)
	}
	return ascii, nil
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 })
}

// checkName checks a name that is ASCII, lower case and without trailing dot. given is what the user wrote.
func checkName(given, name string) error {
	if len(name) > maxHost {
		return Inputf("%.40q… has %d characters; a host name has at most %d", given, len(name), maxHost)
	}
	labels := strings.Split(strings.TrimPrefix(name, "*."), ".")
	for _, l := range labels {
		if err := checkLabel(given, l); err != nil {
			return err
		}
	}
	if numeric(labels[len(labels)-1]) {
		return Inputf("%q ends in a number, so programs read it as an IP address; egress by SNI or Host header needs a host name", given)
	}
	if len(labels) == 1 && !strings.HasPrefix(name, "*.") {
		return Inputf("%q has a single label, which Istio reads as a Service of the namespace; give the full name, for example %s.example.com", given, name)
	}
	return nil
}

func checkLabel(given, l string) error {
	switch {
	case l == "":
		return Inputf("%q has an empty label (two dots in a row, or a dot at the start); remove the extra dot", given)
	case strings.Contains(l, "*"):
		return Inputf("%q has a * inside the name; a wildcard is the whole first label, for example *.wikipedia.org", given)
	case len(l) > maxLabel:
		return Inputf("%.40q… has a label of %d characters; a label has at most %d", given, len(l), maxLabel)
	case strings.Contains(l, "_"):
		return Inputf("%q has an underscore, which Istio refuses in host names; use letters, digits, - and .", given)
	case !isLabel(l):
		return Inputf("%q is not a host name: %q must be letters, digits and -, and not begin or end with -", given, l)
	case strings.HasPrefix(l, "xn--"):
		if back, err := idna.Lookup.ToASCII(l); err != nil || back != l {
			return Inputf("%q is not a host name: %q is not valid punycode", given, l)
		}
	}
	return nil
}

// isLabel is the DNS label of RFC 1123 in lower case, of any length.
func isLabel(l string) bool {
	for i := range len(l) {
		c := l[i]
		letter := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		if !letter && (c != '-' || i == 0 || i == len(l)-1) {
			return false
		}
	}
	return l != ""
}

// numeric follows the URL standard: a name whose last label is a decimal or hexadecimal number is an IPv4 address.
func numeric(l string) bool {
	rest, hex := strings.CutPrefix(l, "0x")
	return !strings.ContainsFunc(rest, func(r rune) bool {
		return (r < '0' || r > '9') && (!hex || r < 'a' || r > 'f')
	})
}
