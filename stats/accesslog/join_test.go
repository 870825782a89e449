package accesslog

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Lines of one client (10.244.0.10) and one gateway (10.244.0.4), as a real mesh wrote them.
const (
	sidecarTLS   = `[2026-11-21T01:45:28.221Z] "- - -" 0 - - - "-" 749 1559 6 - "-" "-" "-" "-" "10.244.0.4:8443" outbound|443|cnn|istio-egressgateway.istio-system.svc.cluster.local 10.244.0.10:49240 10.96.0.83:443 10.244.0.10:50954 edition.cnn.com -`
	sidecarInner = `[2026-11-21T01:46:23.067Z] "- - -" 0 - - - "-" 750 1561 11 - "-" "-" "-" "-" "10.244.0.4:8443" outbound|443|w|istio-egressgateway.istio-system.svc.cluster.local 10.244.0.10:58028 10.96.0.81:443 10.244.0.10:58020 en.wikipedia.org -`
	outerLine    = `[2026-11-21T01:46:23.069Z] "- - -" 0 - - - "-" 750 1561 9 - "-" "-" "-" "-" "envoy://sni_listener/" sni_cluster envoy://internal_client_address/ 10.244.0.4:8443 10.244.0.10:58028 placeholder.wikipedia.org -`
	innerLine    = `[2026-11-21T01:46:23.069Z] "- - -" 0 - - - "-" 750 1561 8 - "-" "-" "-" "-" "10.96.0.81:443" dynamic_forward_proxy_cluster 10.244.0.4:48214 envoy://sni_listener/ envoy://internal_client_address/ en.wikipedia.org -`
	sidecarHTTP  = `[2026-11-21T01:51:36.968Z] "GET /politics HTTP/1.1" 301 - via_upstream - "-" 0 169 3 2 "-" "curl/7.88.1" "aaaa" "edition.cnn.com" "10.244.0.4:8080" outbound|80|cnn|istio-egressgateway.istio-system.svc.cluster.local 10.244.0.10:49906 10.96.0.83:80 10.244.0.10:47308 - -`
	gatewayHTTP  = `[2026-11-21T01:51:36.970Z] "GET /politics HTTP/2" 301 - via_upstream - "-" 0 169 1 0 "10.244.0.10" "curl/7.88.1" "bbbb" "edition.cnn.com" "10.96.0.83:80" outbound|80||edition.cnn.com 10.244.0.4:43162 10.244.0.4:8080 10.244.0.10:49906 - -`
	bypass       = `[2026-11-21T01:48:04.599Z] "- - -" 0 - - - "-" 750 1561 4 - "-" "-" "-" "-" "10.96.0.81:443" PassthroughCluster 10.244.0.10:41112 10.96.0.81:443 10.244.0.10:41106 - -`
	direct       = `[2026-11-21T01:48:04.599Z] "- - -" 0 - - - "-" 750 1561 4 - "-" "-" "-" "-" "10.96.0.81:443" outbound|443||en.wikipedia.org 10.244.0.10:41112 10.96.0.81:443 10.244.0.10:41106 en.wikipedia.org -`
	blackHole    = `[2026-11-21T01:48:04.599Z] "- - -" 0 UH - - "-" 0 0 0 - "-" "-" "-" "-" "-" BlackHoleCluster - 10.96.0.81:443 10.244.0.10:41106 en.wikipedia.org -`
	refused      = `[2026-11-21T01:48:04.599Z] "- - -" 0 UF,URX - - "delayed_connect_error:_Connection_refused" 0 0 1 - "-" "-" "-" "-" "10.244.0.4:8443" outbound|443|cnn|istio-egressgateway.istio-system.svc.cluster.local - 10.96.0.83:443 10.244.0.10:50954 edition.cnn.com -`
	inMesh       = `[2026-11-21T01:48:04.599Z] "GET / HTTP/1.1" 200 - via_upstream - "-" 0 1 1 1 "-" "-" "-" "shop" "10.244.0.7:80" outbound|80||shop.default.svc.cluster.local 10.244.0.10:41112 10.96.0.81:80 10.244.0.10:41106 - default`
	toSNIProxy   = `[2026-11-21T01:50:28.000Z] "- - -" 0 - - - "-" 751 1576 5 - "-" "-" "-" "-" "127.0.0.1:18443" outbound|18443||sni-proxy.local 127.0.0.1:55018 10.244.0.4:8443 10.244.0.10:45346 placeholder.wikipedia.org -`
	ofNginx      = `127.0.0.1 [21/Nov/2026:01:50:28 +0000] TCP [www.wikipedia.org]200 1576 234 0.005`
)

// joined gives each row as "verdict: hop hop ...", sorted as they came.
func joined(t *testing.T, j *Joiner, lines ...string) []string {
	t.Helper()
	var rows []string
	j.Emit = func(r Row) error {
		words := []string{string(r.Verdict) + ":"}
		for name, l := range map[string]*Line{"1sidecar": r.Sidecar, "2gateway": r.Gateway, "3inner": r.Inner, "4nginx": r.SNIProxy} {
			if l != nil {
				words = append(words, name)
			}
		}
		sortWords(words[1:])
		rows = append(rows, strings.Join(words, " ")+" "+string(r.Host()))
		if b := r.AppendJSON(nil); !json.Valid(b) {
			t.Errorf("no JSON: %s", b)
		}
		return nil
	}
	for _, raw := range lines {
		l := parse(t, raw)
		if l.Source == "" { // a cluster tells; saved lines of failures do not
			l.Source = Gateway
		}
		if err := j.Add(l); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return rows
}

func sortWords(words []string) {
	for i := range words {
		for k := i; k > 0 && words[k] < words[k-1]; k-- {
			words[k], words[k-1] = words[k-1], words[k]
		}
	}
}

func TestJoin(t *testing.T) {
	t.Parallel()
	otherInner := strings.NewReplacer("01:46:23.069", "01:46:23.900", "10.244.0.10:58028", "10.244.0.10:58030", "750 1561", "750 1600").Replace
	for name, c := range map[string]struct{ lines, want []string }{
		"both hops":            {[]string{sidecarTLS, connection}, []string{"through-gateway: 1sidecar 2gateway edition.cnn.com"}},
		"gateway's line first": {[]string{connection, sidecarTLS}, []string{"through-gateway: 1sidecar 2gateway edition.cnn.com"}},
		"HTTP":                 {[]string{sidecarHTTP, gatewayHTTP}, []string{"through-gateway: 1sidecar 2gateway edition.cnn.com"}},
		"two requests of one connection": {
			[]string{sidecarHTTP, strings.ReplaceAll(sidecarHTTP, "/politics", "/other"), strings.ReplaceAll(gatewayHTTP, "/politics", "/other"), gatewayHTTP},
			[]string{"through-gateway: 1sidecar 2gateway edition.cnn.com", "through-gateway: 1sidecar 2gateway edition.cnn.com"},
		},
		"inner listener, its line first": {[]string{innerLine, outerLine, sidecarInner}, []string{"through-gateway: 1sidecar 2gateway 3inner en.wikipedia.org"}},
		"inner listener, its line last":  {[]string{sidecarInner, outerLine, innerLine}, []string{"through-gateway: 1sidecar 2gateway 3inner en.wikipedia.org"}},
		"two inner connections at once": {
			[]string{sidecarInner, otherInner(sidecarInner), outerLine, otherInner(outerLine), otherInner(innerLine), innerLine},
			[]string{"through-gateway: 1sidecar 2gateway 3inner en.wikipedia.org", "through-gateway: 1sidecar 2gateway 3inner en.wikipedia.org"},
		},
		"SNI proxy": {
			[]string{toSNIProxy, ofNginx}, []string{"no-sidecar: 2gateway 4nginx www.wikipedia.org"},
		},
		"straight outside":    {[]string{direct}, []string{"round-gateway: 1sidecar en.wikipedia.org"}},
		"host not known":      {[]string{bypass}, []string{"round-gateway: 1sidecar "}},
		"forbidden":           {[]string{strings.Replace(blackHole, " - 10.96", " 10.244.0.10:1 10.96", 1)}, []string{"blocked: 1sidecar en.wikipedia.org"}},
		"refused":             {[]string{refused}, []string{"never-seen: 1sidecar edition.cnn.com"}},
		"workloads":           {[]string{inMesh}, nil},
		"gateway not read":    {[]string{sidecarTLS}, []string{"gateway-unread: 1sidecar edition.cnn.com"}},
		"gateway saw another": {[]string{sidecarTLS, gatewayHTTP}, []string{"gateway-unread: 1sidecar edition.cnn.com", "no-sidecar: 2gateway edition.cnn.com"}},
		"gateway wrote before": {
			[]string{strings.Replace(connection, "T01", "T00", 1), sidecarTLS}, []string{"no-sidecar: 2gateway edition.cnn.com", "never-seen: 1sidecar edition.cnn.com"},
		},
		"the address was used again": {
			[]string{strings.Replace(connection, "01:45:28", "01:45:20", 1), sidecarTLS, connection},
			[]string{"through-gateway: 1sidecar 2gateway edition.cnn.com", "no-sidecar: 2gateway edition.cnn.com"},
		},
		"inner alone": {[]string{innerLine}, []string{"no-sidecar: 3inner en.wikipedia.org"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := joined(t, &Joiner{}, c.lines...)
			if len(got) > 1 && !strings.Contains(name, "before") {
				sortWords(got)
				sortWords(c.want)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestJoinNeedsTheWindow: a line that comes later than Envoy writes is not waited for, and nothing is kept of what was told.
func TestJoinNeedsTheWindow(t *testing.T) {
	t.Parallel()
	stamped := func(at, line string) string { return "2026-11-21T" + at + "Z " + line }
	got := joined(t, &Joiner{Covers: func([]byte) bool { return true }}, stamped("01:45:29.000000000", sidecarTLS), stamped("01:45:44.000000000", bypass), stamped("01:45:45.000000000", connection))
	want := []string{"never-seen: 1sidecar edition.cnn.com", "round-gateway: 1sidecar ", "no-sidecar: 2gateway edition.cnn.com"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("15 s later (-want +got)\n%s", diff)
	}
	got = joined(t, &Joiner{}, stamped("01:45:29.000000000", sidecarTLS), stamped("01:45:39.500000000", connection))
	if diff := cmp.Diff([]string{"through-gateway: 1sidecar 2gateway edition.cnn.com"}, got); diff != "" {
		t.Errorf("10 s later (-want +got)\n%s", diff)
	}
}

// TestJoinIsBounded: however many lines find no partner, only so many wait.
func TestJoinIsBounded(t *testing.T) {
	t.Parallel()
	rows := 0
	j := &Joiner{Most: 50, Emit: func(Row) error { rows++; return nil }}
	var p Parser
	var l Line
	for i := range 5000 {
		raw := strings.Replace(connection, "10.244.0.10:49240", fmt.Sprintf("10.244.0.10:%d", i), 1)
		if i%2 == 0 {
			raw = strings.Replace(innerLine, "750 1561", fmt.Sprintf("750 %d", i), 1)
		}
		if !p.Parse([]byte(raw), &l) {
			t.Fatal(raw)
		}
		if err := j.Add(&l); err != nil {
			t.Fatal(err)
		}
		if len(j.order) > 53 || len(j.open) > 53 || len(j.loose) > 53 || len(j.waiting) > 53 {
			t.Fatalf("after %d lines %d, %d, %d and %d wait", i, len(j.order), len(j.open), len(j.loose), len(j.waiting))
		}
	}
	if err := j.Close(); err != nil || rows != 5000 || len(j.open) != 0 {
		t.Errorf("%d rows, %d wait, error %v", rows, len(j.open), err)
	}
}

// TestJoinIsQuick also with lines of which all look the same: no scan grows with what waits.
func TestJoinIsQuick(t *testing.T) {
	t.Parallel()
	outer := strings.Replace(outerLine, "750 1561", "1 2", 1) // finds no inner line
	for name, raw := range map[string]string{"gateway": connection, "sidecar": sidecarTLS, "inner": innerLine, "outer": outer} {
		rows := 0
		j := &Joiner{Emit: func(Row) error { rows++; return nil }}
		l := parse(t, raw)
		begun := time.Now()
		for range 30_000 {
			if err := j.Add(l); err != nil {
				t.Fatal(err)
			}
		}
		if err := j.Close(); err != nil || rows != 30_000 {
			t.Errorf("%s: %d rows, %v", name, rows, err)
		}
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("%s: %s", name, took)
		}
	}
}

func TestMatchRow(t *testing.T) {
	t.Parallel()
	r := Row{Gateway: parse(t, outerLine), Inner: parse(t, innerLine)}
	for host, want := range map[string]bool{"en.wikipedia.org": true, "de.wikipedia.org": false} {
		f, err := hostFilter(host)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.MatchRow(&r); got != want {
			t.Errorf("%s: %v", host, got)
		}
	}
	if got := r.Lines()[0].Time; got.Sub(time.Date(2026, 11, 21, 1, 46, 23, 69e6, time.UTC)) != 0 {
		t.Errorf("the first line is of %v", got)
	}
}
