package check

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// configured is when the proxies of these tests got their configuration.
var configured = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)

// logging gives every proxy of a role a log with these lines, and a configuration from before them.
func logging(s *snapshot.Snapshot, role snapshot.Role, lines ...snapshot.LogLine) *snapshot.Snapshot {
	for i := range s.Proxies {
		p := &s.Proxies[i]
		at := configured.Format(time.RFC3339)
		for j := range p.Config.Listeners {
			p.Config.Listeners[j].Updated = at
		}
		for j := range p.Config.Clusters {
			p.Config.Clusters[j].Updated = at
		}
		p.Log = snapshot.Log{State: snapshot.State{Kind: snapshot.Read}}
		if p.Role == role {
			p.Log.Lines = lines
		}
	}
	return s
}

// by is a line so many minutes after the configuration.
func by(minutes int, l snapshot.LogLine) snapshot.LogLine {
	l.Time = configured.Add(time.Duration(minutes) * time.Minute)
	return l
}

// toAddress is the line of a client that named no host.
var toAddress = snapshot.LogLine{TCP: true, Cluster: "PassthroughCluster", Asked: "10.96.0.83:443", Upstream: "10.96.0.83:443"}

func TestWithoutName(t *testing.T) {
	t.Parallel()
	change := func(c func(*snapshot.LogLine)) snapshot.LogLine {
		l := by(1, toAddress)
		c(&l)
		return l
	}
	for name, tt := range map[string]struct {
		line  snapshot.LogLine
		found bool
	}{
		"by address":                   {by(1, toAddress), true},
		"refused":                      {change(func(l *snapshot.LogLine) { l.Cluster = "BlackHoleCluster" }), true},
		"an address as server name":    {change(func(l *snapshot.LogLine) { l.SNI = "10.96.0.83" }), true},
		"before the configuration":     {by(-1, toAddress), false},
		"with its name":                {change(func(l *snapshot.LogLine) { l.SNI = "edition.cnn.com" }), false},
		"another host's address":       {change(func(l *snapshot.LogLine) { l.Asked = "10.96.0.99:443" }), false},
		"another port":                 {change(func(l *snapshot.LogLine) { l.Asked = "10.96.0.83:8443" }), false},
		"another name at that address": {change(func(l *snapshot.LogLine) { l.SNI = "edition.bbc.com" }), false},
		"to the gateway": {change(func(l *snapshot.LogLine) {
			l.Cluster = "outbound|443|cnn|istio-egressgateway.istio-system.svc.cluster.local"
		}), false},
		"what is no address": {change(func(l *snapshot.LogLine) { l.Asked = "-" }), false},
	} {
		s := logging(captured.Load(t, "working-passthrough"), snapshot.AtSidecar, tt.line)
		_, all := diagnosis(s)
		found := only(all, "EGR006")
		if (len(found) == 1) != tt.found {
			t.Errorf("%s: %q", name, said(all))
		}
		for _, f := range found {
			contains(t, f, "connect to 10.96.0.83, an address of edition.cnn.com", "grep -F ' 10.96.0.83:443 '")
			if f.State != Warn || len(f.Evidence) != 1 {
				t.Errorf("%s: %+v", name, f)
			}
		}
	}
}

// TestLogUnread: what could not be read is no pass, and what nobody asked for is not judged.
func TestLogUnread(t *testing.T) {
	t.Parallel()
	s := logging(captured.Load(t, "working-passthrough"), snapshot.AtSidecar, by(1, toAddress))
	for i := range s.Proxies {
		s.Proxies[i].Log = snapshot.Log{State: snapshot.State{Kind: snapshot.Forbidden, Detail: "no right to get pods/log in namespace default"}}
	}
	_, all := diagnosis(s)
	if f := only(all, "EGR006"); len(f) != 1 || f[0].State != Skip || !strings.Contains(f[0].Message, "no right to get pods/log") || f[0].Fix == "" {
		t.Errorf("%+v", f)
	}
	for i := range s.Proxies {
		s.Proxies[i].Log = snapshot.Log{}
	}
	_, all = diagnosis(s)
	if slices.ContainsFunc(all, func(f Finding) bool { return f.Code == "EGR006" }) {
		t.Error("a log that nobody asked for is judged")
	}
	// nothing says when the configuration was configured: the lines may be older
	s = logging(captured.Load(t, "working-passthrough"), snapshot.AtSidecar, by(1, toAddress))
	for i := range s.Proxies {
		for j := range s.Proxies[i].Config.Listeners {
			s.Proxies[i].Config.Listeners[j].Updated = ""
		}
		for j := range s.Proxies[i].Config.Clusters {
			s.Proxies[i].Config.Clusters[j].Updated = ""
		}
	}
	if _, all = diagnosis(s); says(all, "EGR006") {
		t.Errorf("%q", said(all))
	}
	// no access log is written at all
	s = logging(captured.Load(t, "EGR051"), snapshot.AtSidecar)
	if _, all = diagnosis(s); !slices.Contains(said(all), "skip EGR006 "+tls) {
		t.Errorf("%q", said(all))
	}
}

// answer is the line of a gateway that asked a server by TLS.
func answer(code int, details string) snapshot.LogLine {
	return snapshot.LogLine{Code: code, Details: details, Host: "edition.cnn.com", Cluster: "outbound|443||edition.cnn.com"}
}

func TestCertificateDemanded(t *testing.T) {
	t.Parallel()
	alert := answer(503, "upstream_reset_before_response_started{connection_termination}")
	alert.Failure = "TLS_error:|268436572:SSL_routines:OPENSSL_internal:TLSV1_ALERT_CERTIFICATE_REQUIRED:TLS_error_end"
	for name, tt := range map[string]struct {
		lines []snapshot.LogLine
		says  string // empty: nothing is found
	}{
		"400 and nothing else":          {[]snapshot.LogLine{by(1, answer(400, "via_upstream")), by(2, answer(400, "via_upstream"))}, "seems to want a certificate"},
		"an alert":                      {[]snapshot.LogLine{by(1, answer(200, "via_upstream")), by(2, alert)}, "the server wants a certificate"},
		"one was answered":              {[]snapshot.LogLine{by(1, answer(400, "via_upstream")), by(2, answer(200, "via_upstream"))}, ""},
		"400 of the gateway's own":      {[]snapshot.LogLine{by(1, answer(400, "http1.codec_error"))}, ""},
		"before the configuration":      {[]snapshot.LogLine{by(-1, answer(400, "via_upstream"))}, ""},
		"of another host":               {[]snapshot.LogLine{by(1, snapshot.LogLine{Code: 400, Details: "via_upstream", Cluster: "outbound|443||other.example.com"})}, ""},
		"nobody has asked for anything": {nil, ""},
	} {
		s := logging(captured.Load(t, "tls-origination-mtls"), snapshot.AtGateway, tt.lines...)
		_, all := diagnosis(s)
		found := only(all, "EGR029")
		if (len(found) == 1) != (tt.says != "") {
			t.Errorf("%s: %q", name, said(all))
		}
		for _, f := range found {
			contains(t, f, tt.says, "create secret generic edition-cnn-com-client", `"value":"MUTUAL"`, `/credentialName","value":"edition-cnn-com-client"`)
			if f.State != Warn || f.Object == nil || f.Object.Kind != "DestinationRule" {
				t.Errorf("%s: %+v", name, f)
			}
		}
	}
	// who has a certificate already is not told to have one
	s := logging(captured.Load(t, "mtls-origination"), snapshot.AtGateway, by(1, answer(400, "via_upstream")))
	for i := range s.Proxies {
		for j := range s.Proxies[i].Log.Lines {
			s.Proxies[i].Log.Lines[j].Cluster = "outbound|443||my-nginx.mesh-external.svc.cluster.local"
		}
	}
	if _, all := diagnosis(s); says(all, "EGR029") {
		t.Errorf("%q", said(all))
	}
}

// TestOneCodeForAnAlert: where the server itself says what it misses, the CA is not blamed.
func TestOneCodeForAnAlert(t *testing.T) {
	t.Parallel()
	line := answer(503, "")
	line.Failure = "TLS_error:|SSLV3_ALERT_HANDSHAKE_FAILURE"
	s := logging(captured.Load(t, "EGR028"), snapshot.AtGateway, by(1, line))
	for i := range s.Proxies {
		for j := range s.Proxies[i].Log.Lines {
			s.Proxies[i].Log.Lines[j].Cluster = originated(s)
		}
	}
	if _, all := diagnosis(s); !says(all, "EGR029") || says(all, "EGR028") {
		t.Errorf("%q", said(all))
	}
}

// TestOldClusterInForce: while the new cluster waits for its Secret, Envoy may still have the one from before, which begins no TLS.
func TestOldClusterInForce(t *testing.T) {
	t.Parallel()
	s := captured.Load(t, "EGR031")
	for i := range s.Proxies {
		clusters := s.Proxies[i].Config.Clusters
		for j := range clusters {
			if c := clusters[j]; c.Warming && c.TLS != nil {
				c.Warming, c.TLS, c.Origin = false, nil, ""
				s.Proxies[i].Config.Clusters = append([]admin.Cluster{c}, clusters...)
				s.Proxies[i].Hosts = append(s.Proxies[i].Hosts, admin.HostCounters{Cluster: c.Name, Hosts: []admin.HostStatus{{Address: "10.96.0.83", Port: 443}}})
				break
			}
		}
	}
	f := finding(t, s, "EGR031")
	contains(t, f, "waits for Secret istio-system/not-there", "create secret generic not-there")
	if len(f.Evidence) == 0 || !strings.Contains(f.Evidence[0], "plain text") {
		t.Errorf("%q", f.Evidence)
	}
	if _, all := diagnosis(s); !slices.Equal(said(all), []string{"fail EGR031 " + http}) {
		t.Errorf("%q", said(all))
	}
}

// originated names the cluster by which a gateway begins TLS.
func originated(s *snapshot.Snapshot) string {
	for _, p := range s.Proxies {
		for _, c := range p.Config.Clusters {
			if p.Role == snapshot.AtGateway && c.TLS != nil && c.TLS.Mode == admin.Simple {
				return c.Name
			}
		}
	}
	return ""
}

// TestHeard: a fault tells what was logged of it, the most frequent first, and nothing of other paths or of better times.
func TestHeard(t *testing.T) {
	t.Parallel()
	bad := snapshot.LogLine{TCP: true, Flags: "UF,URX", Failure: "delayed_connect_error:_Connection_refused", SNI: "edition.cnn.com"}
	other := bad
	other.SNI = "en.wikipedia.org"
	fine := snapshot.LogLine{TCP: true, SNI: "edition.cnn.com"}
	once := bad
	once.Flags = "UH"
	none := bad
	none.Flags = "NC"
	s := logging(captured.Load(t, "EGR001"), snapshot.AtSidecar, by(-5, none), by(1, once), by(2, bad), by(3, fine), by(4, bad), by(5, other))
	f := finding(t, s, "EGR001")
	want := []string{
		"sleep-867947c9d5-ng5mj has logged: 0 UF,URX delayed_connect_error:_Connection_refused (2 times, last at 2026-11-21T09:04:00Z)",
		"sleep-867947c9d5-ng5mj has logged: 0 UH delayed_connect_error:_Connection_refused (once at 2026-11-21T09:01:00Z)",
	}
	if got := f.Evidence[len(f.Evidence)-2:]; !slices.EqualFunc(got, want, func(a, b string) bool { return after(a) == after(b) }) {
		t.Errorf("%q", f.Evidence)
	}
	s.Proxies[0].Log.Lines = nil
	before := len(finding(t, captured.Load(t, "EGR001"), "EGR001").Evidence)
	if n := len(f.Evidence); n != before+2 {
		t.Errorf("%d pieces of evidence, %d without a log", n, before)
	}
}

// after leaves the pod's name out, which each capture has another of.
func after(s string) string { _, rest, _ := strings.Cut(s, " "); return rest }

func TestComplained(t *testing.T) {
	t.Parallel()
	for want, l := range map[string]snapshot.LogLine{
		"400 from the server":            {Code: 400, Details: "via_upstream"},
		"503 UF reason":                  {Code: 503, Flags: "UF", Failure: "reason"},
		"503 URX,UF upstream_reset{why}": {Code: 503, Flags: "URX,UF", Details: "upstream_reset{why}", Failure: "why"},
		"0 NR filter_chain_not_found":    {Flags: "NR", Details: "filter_chain_not_found"},
		"503 UC via_upstream":            {Code: 503, Flags: "UC", Details: "via_upstream"},
	} {
		if got := complained(&l); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
