package egress

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseHostNormalises(t *testing.T) {
	t.Parallel()
	label63 := strings.Repeat("a", 63)
	host253 := strings.Join([]string{label63, label63, label63, strings.Repeat("b", 61)}, ".")
	for in, want := range map[string]Host{
		"edition.cnn.com":                          "edition.cnn.com",
		"Edition.CNN.com":                          "edition.cnn.com",
		"edition.cnn.com.":                         "edition.cnn.com",
		"*.wikipedia.org":                          "*.wikipedia.org",
		"*.Wikipedia.ORG.":                         "*.wikipedia.org",
		"*.org":                                    "*.org",
		"bücher.example":                           "xn--bcher-kva.example",
		"BÜCHER.example":                           "xn--bcher-kva.example",
		"*.bücher.example":                         "*.xn--bcher-kva.example",
		"xn--bcher-kva.example":                    "xn--bcher-kva.example",
		"faß.example":                              "xn--fa-hia.example",
		"例え。テスト":                                   "xn--r8jz45g.xn--zckzah",
		"ｅｄｉｔｉｏｎ.cnn.com":                          "edition.cnn.com",
		"r3---sn-4g5e6nez.googlevideo.com":         "r3---sn-4g5e6nez.googlevideo.com",
		"1.example.com":                            "1.example.com",
		"4.3.2.1.in-addr.arpa":                     "4.3.2.1.in-addr.arpa",
		"my-nginx.mesh-external.svc.cluster.local": "my-nginx.mesh-external.svc.cluster.local",
		"0xcafe.example":                           "0xcafe.example",
		label63 + ".com":                           Host(label63 + ".com"),
		host253:                                    Host(host253),
		host253 + ".":                              Host(host253),
	} {
		got, err := ParseHost(in)
		if err != nil || got != want {
			t.Errorf("ParseHost(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
}

func TestParseHostRefuses(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a.", 130) + "com"
	label := strings.Repeat("a", 64) + ".com"
	const address = " is an IP address; egress by SNI or Host header needs a host name"
	for in, want := range map[string]string{
		"":                        "empty host name; give one like edition.cnn.com",
		"10.0.0.1":                "10.0.0.1" + address,
		"10.0.0.1.":               "10.0.0.1." + address,
		"10.0.0.1:443":            "10.0.0.1:443" + address,
		"10.0.0.0/8":              "10.0.0.0/8" + address,
		"::1":                     "::1" + address,
		"[::1]":                   "[::1]" + address,
		"[::1]:443":               "[::1]:443" + address,
		"fe80::1%eth0":            "fe80::1%eth0" + address,
		"１０.0.0.1":                `"１０.0.0.1" ends in a number, so programs read it as an IP address; egress by SNI or Host header needs a host name`,
		"127.1":                   `"127.1" ends in a number, so programs read it as an IP address; egress by SNI or Host header needs a host name`,
		"example.0x7f":            `"example.0x7f" ends in a number, so programs read it as an IP address; egress by SNI or Host header needs a host name`,
		"*":                       `"*" alone would send every outside host through the gateway; name a domain, for example *.wikipedia.org`,
		"*.":                      `"*." alone would send every outside host through the gateway; name a domain, for example *.wikipedia.org`,
		"*.*.org":                 `"*.*.org" has a * inside the name; a wildcard is the whole first label, for example *.wikipedia.org`,
		"en.*.org":                `"en.*.org" has a * inside the name; a wildcard is the whole first label, for example *.wikipedia.org`,
		"e*.wikipedia.org":        `"e*.wikipedia.org" has a * inside the name; a wildcard is the whole first label, for example *.wikipedia.org`,
		"*wikipedia.org":          `"*wikipedia.org" has a * inside the name; a wildcard is the whole first label, for example *.wikipedia.org`,
		"a..b":                    `"a..b" has an empty label (two dots in a row, or a dot at the start); remove the extra dot`,
		".a.b":                    `".a.b" has an empty label (two dots in a row, or a dot at the start); remove the extra dot`,
		"a.b..":                   `"a.b.." has an empty label (two dots in a row, or a dot at the start); remove the extra dot`,
		"*..b":                    `"*..b" has an empty label (two dots in a row, or a dot at the start); remove the extra dot`,
		".":                       `"." has an empty label (two dots in a row, or a dot at the start); remove the extra dot`,
		"edition.cnn.com:443":     `"edition.cnn.com:443" has a port; give the host name alone, the mode decides the port`,
		"*.wikipedia.org:443":     `"*.wikipedia.org:443" has a port; give the host name alone, the mode decides the port`,
		"https://edition.cnn.com": `"https://edition.cnn.com" has a scheme; give the host name alone`,
		"edition.cnn.com/news":    `"edition.cnn.com/news" has a path; give the host name alone`,
		"a.com, b.com":            `"a.com, b.com" holds white space; separate host names by commas only`,
		"a.com\n":                 `"a.com\n" holds white space; separate host names by commas only`,
		"my_host.com":             `"my_host.com" has an underscore, which Istio refuses in host names; use letters, digits, - and .`,
		"-a.com":                  `"-a.com" is not a host name: "-a" must be letters, digits and -, and not begin or end with -`,
		"a-.com":                  `"a-.com" is not a host name: "a-" must be letters, digits and -, and not begin or end with -`,
		"a$.com":                  `"a$.com" is not a host name: "a$" must be letters, digits and -, and not begin or end with -`,
		"user@a.com":              `"user@a.com" is not a host name: "user@a" must be letters, digits and -, and not begin or end with -`,
		"a\x1b[31m.com":           `"a\x1b[31m.com" is not a host name: "a\x1b[31m" must be letters, digits and -, and not begin or end with -`,
		"xn--a.com":               `"xn--a.com" is not a host name: "xn--a" is not valid punycode`,
		"localhost":               `"localhost" has a single label, which Istio reads as a Service of the namespace; give the full name, for example localhost.example.com`,
		long:                      `"a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a."… has 263 characters; a host name has at most 253`,
		strings.Repeat("ü", 1000): `"üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüü"… has 2000 bytes; a host name has at most 253 characters`,
		label:                     `"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"… has a label of 64 characters; a label has at most 63`,
		"a\xff.com":               `"a\xff.com" is not text in UTF-8`,
	} {
		got, err := ParseHost(in)
		if _, ok := errors.AsType[*InputError](err); !ok {
			t.Errorf("ParseHost(%q) = %q, %v; want an InputError", in, got, err)
			continue
		}
		if err.Error() != want {
			t.Errorf("ParseHost(%q)\n got %s\nwant %s", in, err, want)
		}
	}
}

func TestParseHosts(t *testing.T) {
	t.Parallel()
	got, err := ParseHosts([]string{"edition.cnn.com", "*.wikipedia.org", "A.example"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Host{"*.wikipedia.org", "a.example", "edition.cnn.com"}, got); diff != "" {
		t.Error(diff)
	}
	for _, tt := range []struct {
		in   []string
		want string
	}{
		{nil, "no host name given; name at least one, for example edition.cnn.com"},
		{[]string{"a.com", "a.com"}, `"a.com" is given twice; name each host once`},
		{[]string{"a.com", "A.com."}, `"a.com" and "A.com." are the same host a.com; name each host once`},
		{[]string{"bücher.example", "xn--bcher-kva.example"}, `"bücher.example" and "xn--bcher-kva.example" are the same host xn--bcher-kva.example; name each host once`},
		{[]string{"a.com", ""}, "empty host name; give one like edition.cnn.com"},
	} {
		if _, err := ParseHosts(tt.in); err == nil || err.Error() != tt.want {
			t.Errorf("ParseHosts(%q)\n got %v\nwant %s", tt.in, err, tt.want)
		}
	}
}

func TestCovers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		h, o Host
		want bool
	}{
		{"a.com", "a.com", true},
		{"a.com", "b.a.com", false},
		{"*.a.com", "b.a.com", true},
		{"*.a.com", "c.b.a.com", true},
		{"*.a.com", "a.com", false},
		{"*.a.com", "ba.com", false},
		{"*.a.com", "*.a.com", true},
		{"*.a.com", "*.b.a.com", true},
		{"*.b.a.com", "*.a.com", false},
		{"b.a.com", "*.a.com", false},
	} {
		if got := tt.h.Covers(tt.o); got != tt.want {
			t.Errorf("%s.Covers(%s) = %v, want %v", tt.h, tt.o, got, tt.want)
		}
	}
}

func FuzzParseHost(f *testing.F) {
	for _, s := range []string{"edition.cnn.com", "*.wikipedia.org", "bücher.example", "*.", "a..b", "10.0.0.1", "[::1]:1", "xn--bcher-kva.example", "例え。テスト", "a\u200db.com"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, err := ParseHost(s)
		if err != nil {
			var input *InputError
			if !errors.As(err, &input) || h != "" || strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Fatalf("ParseHost(%q) = %q, %q", s, h, err)
			}
			return
		}
		if again, err := ParseHost(string(h)); err != nil || again != h {
			t.Fatalf("ParseHost(%q) = %q, which parses to %q, %v", s, h, again, err)
		}
		if len(h) > maxHost || !isASCII(string(h)) || string(h) != strings.ToLower(string(h)) || strings.HasSuffix(string(h), ".") {
			t.Fatalf("ParseHost(%q) = %q is not normal", s, h)
		}
		if strings.Contains(h.Domain(), "*") || !h.Covers(h) || h.IsWildcard() == (h.Domain() == string(h)) {
			t.Fatalf("ParseHost(%q) = %q: wildcard %v, domain %q", s, h, h.IsWildcard(), h.Domain())
		}
		for l := range strings.SplitSeq(h.Domain(), ".") {
			if !isLabel(l) || len(l) > maxLabel {
				t.Fatalf("ParseHost(%q) = %q has label %q", s, h, l)
			}
		}
	})
}
