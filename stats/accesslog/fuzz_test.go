package accesslog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// shown is what people and programs get to see of a line.
func shown(l *Line) string { return string(l.AppendJSON(nil)) }

// FuzzParse: no line crashes the parser, what it makes of one is JSON that is safe to show, and reading that again gives the same.
func FuzzParse(f *testing.F) {
	for line := range bytes.Lines(given(f)) {
		f.Add(line)
	}
	f.Add([]byte("[2026-11-21T01:45:28.223Z] \"- - -\" 0 - - - \"-\" 0 0 0 - \"-\" \"\x1b[2J\" \"-\" \"-\" \"-\" - - - - \u202e\x9b\xff -"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		raw, _, _ = bytes.Cut(raw, []byte("\n")) // a line is one line
		var p Parser
		var l, again Line
		if !p.Parse(raw, &l) {
			if l.Format != UnknownFormat || l.Code != Absent || l.SNI != nil {
				t.Fatalf("no access log, and yet %s", shown(&l))
			}
			return
		}
		text := shown(&l)
		if !json.Valid([]byte(text)) || !utf8.ValidString(text) {
			t.Fatalf("no JSON: %q", text)
		}
		if i := strings.IndexFunc(text, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }); i >= 0 {
			t.Fatalf("control character at %d of %q", i, text)
		}
		if l.Time.Year() > 9999 || l.Time.Year() < 0 || l.Time.IsZero() {
			return // a time zone can lead out of what RFC 3339 can write
		}
		if !p.Parse([]byte(text), &again) {
			t.Fatalf("this is not read again: %s", text)
		}
		if diff := cmp.Diff(text, shown(&again)); diff != "" {
			t.Fatalf("another line when read again (-once +twice)\n%s", diff)
		}
	})
}

// FuzzText: what Envoy writes of certain values is read as these values, in every shape, however odd they are.
func FuzzText(f *testing.F) {
	f.Add(uint8(6), "GET", "/politics", "curl/7.88.1", "edition.cnn.com", "edition.cnn.com", "UF,URX", "TLS error: x", int64(503), int64(1), int64(2))
	f.Add(uint8(2), "-", "-", "-", "-", "-", "-", "-", int64(0), int64(0), int64(0))
	f.Add(uint8(6), "GET", "/a b", `x" "y" "z`, "host:80", "-", "NR", `say "no"`, int64(404), int64(7), int64(1<<40))
	f.Fuzz(func(t *testing.T, shapeOf uint8, method, path, agent, authority, sni, flags, failure string, code, received, sent int64) {
		for _, s := range []string{method, path, authority, sni, flags} {
			if s == "" || strings.ContainsAny(s, "\n\r\" ") {
				t.Skip() // Envoy's codecs let none of these pass
			}
		}
		const upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
		if strings.Trim(flags, upper+",") != "" && flags != "-" || code < 0 || received < 0 || sent < 0 || code > 999 ||
			received > 1<<50 || sent > 1<<50 || strings.ContainsAny(agent+failure, "\n\r") || agent == "" || strings.Contains(failure, `"`) || failure == "" {
			t.Skip()
		}
		protocol := "HTTP/1.1"
		if method == "-" {
			protocol, path, agent, authority = "-", "-", "-", "-"
		}
		formats := []Format{Istio10, Istio11Beta, Istio11, Istio12, Istio13, Istio18, Istio19}
		format := formats[int(shapeOf)%len(formats)]
		before := map[Format]string{
			Istio11: `"-" `, Istio12: `"-" "` + failure + `" `, Istio13: `"-" "` + failure + `" `,
			Istio18: `"` + failure + `" `, Istio19: `via_upstream - "` + failure + `" `,
		}[format]
		after := ""
		if format != Istio10 {
			after = " outbound|443||x.example.com 10.0.0.1:1 10.0.0.1:2 10.0.0.3:3 " + sni
		}
		if format == Istio13 || format == Istio18 || format == Istio19 {
			after += " a route"
		}
		raw := fmt.Sprintf(`[2026-11-21T01:45:28.223Z] "%s %s %s" %d %s %s%d %d 3 - `,
			method, path, protocol, code, flags, before, received, sent) + `"-" "` + agent + `" "id" "` + authority + `" "10.0.0.9:443"` + after
		var p Parser
		var l Line
		if !p.Parse([]byte(raw), &l) {
			t.Fatalf("not read: %s", raw)
		}
		want := map[string]any{"format": format, "code": code, "received": received, "sent": sent, "host": "10.0.0.9:443", "agent": undash(agent), "authority": undash(authority), "flags": undash(flags)}
		got := map[string]any{"format": l.Format, "code": l.Code, "received": l.BytesReceived, "sent": l.BytesSent, "host": string(l.UpstreamHost), "agent": string(l.UserAgent), "authority": string(l.Authority), "flags": string(l.Flags)}
		if format != Istio10 {
			want["cluster"], want["sni"] = "outbound|443||x.example.com", undash(sni)
			got["cluster"], got["sni"] = string(l.UpstreamCluster), string(l.SNI)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s\n(-want +got)\n%s", raw, diff)
		}
	})
}

func undash(s string) string {
	if s == "-" {
		return ""
	}
	return s
}

// FuzzNeedle holds the quick search to a plain one.
func FuzzNeedle(f *testing.F) {
	f.Add("edition.cnn.com", []byte("GET Edition.CNN.com edition.cnn.com"))
	f.Add("ab", []byte("xxxxxxxxab"))
	f.Add("a.b", []byte("\x01\x00\x80\xffA.B"))
	f.Fuzz(func(t *testing.T, word string, b []byte) {
		host, err := egress.ParseHost(word)
		if err != nil || len(host.Domain()) < 2 {
			t.Skip()
		}
		n := newNeedle(host.Domain())
		low := make([]byte, len(b))
		for i, c := range b {
			if c >= 'A' && c <= 'Z' {
				c |= 0x20
			}
			low[i] = c
		}
		for from := range min(len(b), 20) {
			want := bytes.Index(low[from:], []byte(host.Domain()))
			if want >= 0 {
				want += from
			}
			if got := n.index(b, from); got != want {
				t.Fatalf("%q in %q from %d: %d, want %d", host.Domain(), b, from, got, want)
			}
		}
	})
}

// FuzzStrider holds the search for several words at once to a plain one.
func FuzzStrider(f *testing.F) {
	f.Add("edition.cnn.com", "en.wikipedia.org", []byte("GET Edition.CNN.com en.Wikipedia.org edition.cnn.com"))
	f.Add("ab", "abc", []byte("xxxxxxxxabc"))
	f.Add("a.b", "b.a", []byte("\x01\x00\x80\xffA.B"))
	f.Add("aaaa", "aaab", []byte("aaaaaaaaAaAb"))
	f.Fuzz(func(t *testing.T, one, other string, b []byte) {
		var words []string
		for _, w := range []string{one, other} {
			host, err := egress.ParseHost(w)
			if err != nil || len(host.Domain()) < 2 {
				t.Skip()
			}
			words = append(words, host.Domain())
		}
		low := bytes.Clone(b)
		for i, c := range low {
			if c >= 'A' && c <= 'Z' {
				low[i] = c | 0x20
			}
		}
		s := newStrider(words, min(len(words[0]), len(words[1]), maxStride))
		for from := range min(len(b), 20) {
			want := -1
			for _, w := range words {
				if at := bytes.Index(low[from:], []byte(w)); at >= 0 && (want < 0 || at+from < want) {
					want = at + from
				}
			}
			if got := s.index(b, from); got != want {
				t.Fatalf("%q in %q from %d: %d, want %d", words, b, from, got, want)
			}
		}
	})
}

// FuzzTemplate: no format and no line crashes.
func FuzzTemplate(f *testing.F) {
	f.Add("[%START_TIME%] %REQ(:METHOD)% %RESPONSE_CODE% %REQUESTED_SERVER_NAME%", "[2026-11-21T01:45:28.223Z] GET 200 x")
	f.Add("$remote_addr [$time_local] $status", "1.2.3.4 [21/Nov/2026:01:50:28 +0000] 200")
	f.Add(`{"a":"%START_TIME%","c":"%RESPONSE_CODE%"}`, `{"a":"2026-11-21T01:45:28.223Z","c":200}`)
	f.Add("%START_TIME(%s.%3f)% %%x %REQ(A?B):5%", "1 %x y")
	f.Fuzz(func(t *testing.T, format, line string) {
		template, err := ParseTemplate(format)
		if err != nil {
			return
		}
		p := Parser{Templates: []*Template{template}, First: true}
		var l Line
		if p.Parse([]byte(line), &l) && l.Format == UnknownFormat {
			t.Fatalf("%q by %q: read as nothing", line, format)
		}
	})
}
