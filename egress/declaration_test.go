package egress

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const header = "apiVersion: kubectl-egress/v1\nkind: Set\n"

func TestDecodeSet(t *testing.T) {
	t.Parallel()
	want := Set{Name: "a-com", Namespace: "default", Hosts: []Host{"a.com"}, Mode: Auto, MTLS: MTLSOn}
	for name, text := range map[string]string{
		"quoted":        header + "domains: [a.com]\nmtls: \"on\"\n",
		"YAML 1.1 bool": header + "domains: [a.com]\nmtls: on\n",
		"marker first":  "# a comment\n---\n" + header + "domains:\n- A.com.\nmtls: true\n",
		"marker last":   header + "domains: [a.com]\nmtls: on\n---\n# nothing more\n",
		"end marker":    header + "domains: [a.com]\nmtls: on\n...\n\n",
		"JSON":          `{"apiVersion": "kubectl-egress/v1", "kind": "Set", "domains": ["a.com"], "mtls": "on"}`,
	} {
		got, err := DecodeSet([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	off, err := DecodeSet([]byte(header + "domains: [a.com]\nmtls: off\n"))
	if err != nil || off.MTLS != MTLSOff {
		t.Errorf("mtls: off gives %q, %v", off.MTLS, err)
	}
}

func TestDecodeSetRefuses(t *testing.T) {
	t.Parallel()
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		p := string(c - 1)
		bomb += string(c) + ": &" + string(c) + " [*" + p + ",*" + p + ",*" + p + ",*" + p + ",*" + p + ",*" + p + ",*" + p + "]\n"
	}
	for name, tt := range map[string]struct{ text, want string }{
		"empty":          {"", `declaration is apiVersion "", kind ""; expected apiVersion kubectl-egress/v1, kind Set`},
		"other kind":     {"apiVersion: v1\nkind: ConfigMap\n", `declaration is apiVersion "v1", kind "ConfigMap"; expected apiVersion kubectl-egress/v1, kind Set`},
		"other version":  {"apiVersion: kubectl-egress/v2\nkind: Set\ndomains: [a.com]\n", `declaration is apiVersion "kubectl-egress/v2", kind "Set"; expected apiVersion kubectl-egress/v1, kind Set`},
		"unknown field":  {header + "domain: a.com\n", `unknown field "domain"`},
		"repeated field": {header + "domains: [a.com]\ndomains: [b.com]\n", `already set`},
		"two documents":  {header + "domains: [a.com]\n---\n" + header + "domains: [b.com]\n", "declaration holds more than one YAML document; give one Set at a time"},
		"after the end":  {header + "domains: [a.com]\n...\nfoo\n", "declaration holds more than one YAML document; give one Set at a time"},
		"not YAML":       {"\t{", "declaration cannot be read: "},
		"bomb":           {bomb, "declaration cannot be read: "},
		"too large":      {strings.Repeat("#", maxDeclaration+1), "declaration of 1048577 bytes is too large; at most 1048576 are read"},
		"bad host":       {header + "domains: [10.0.0.1]\n", "10.0.0.1 is an IP address"},
		"number as mode": {header + "domains: [a.com]\nmtls: 1\n", "declaration cannot be read: "},
	} {
		_, err := DecodeSet([]byte(tt.text))
		var input *InputError
		if !errors.As(err, &input) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s:\n got %v\nwant %s", name, err, tt.want)
		}
	}
}

func TestEncode(t *testing.T) {
	t.Parallel()
	set := mustSet(t, Declaration{Name: "news", Namespace: "team", Domains: []string{"edition.cnn.com", "*.wikipedia.org"}, Gateway: "ns/gw", MTLS: "on"})
	got, err := set.Encode()
	if err != nil {
		t.Fatal(err)
	}
	want := `apiVersion: kubectl-egress/v1
domains:
- '*.wikipedia.org'
- edition.cnn.com
gateway: ns/gw
kind: Set
mode: auto
mtls: "on"
name: news
namespace: team
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

func FuzzDecodeSet(f *testing.F) {
	f.Add([]byte(header + "domains: [edition.cnn.com, '*.wikipedia.org']\nmtls: on\nmode: auto\ngateway: ns/gw\n"))
	f.Add([]byte(header + "domains: [a.com]\n---\n"))
	f.Add([]byte("a: &a [*a]\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		set, err := DecodeSet(text)
		if err != nil {
			if _, ok := errors.AsType[*InputError](err); !ok {
				t.Fatalf("not an InputError: %v", err)
			}
			return
		}
		out, err := set.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := DecodeSet(out)
		if err != nil {
			t.Fatalf("cannot be read back: %v\n%s", err, out)
		}
		if diff := cmp.Diff(set, again); diff != "" {
			t.Fatalf("changed by a round trip: %s", diff)
		}
		if len(set.Routes()) < len(set.Hosts) || len(set.Paths()) != len(set.Routes()) {
			t.Fatalf("routes %v, paths %v", set.Routes(), set.Paths())
		}
	})
}
