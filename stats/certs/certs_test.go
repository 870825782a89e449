package certs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

var now = time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)

const identity = "spiffe://cluster.local/ns/istio-system/sa/gw"

// signed is a certificate with its key, which tests alone have.
type signed struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  string
}

// made makes a certificate, signed by another or by itself.
func made(t testing.TB, name string, ca bool, from, until time.Time, san string, by *signed) *signed {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<60))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: until, BasicConstraintsValid: true, IsCA: ca,
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if ca {
		template.KeyUsage |= x509.KeyUsageCertSign
	}
	if san != "" {
		u, err := url.Parse(san)
		if err != nil {
			t.Fatal(err)
		}
		template.URIs = []*url.URL{u}
	}
	parent := &signed{cert: template, key: key}
	if by != nil {
		parent = by
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent.cert, key.Public(), parent.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &signed{cert, key, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))}
}

const day = 24 * time.Hour

func held(t testing.TB, name string, of ...*signed) Held {
	t.Helper()
	h := Held{Name: name, Type: typeOf(name), State: Active, For: purpose(name)}
	for _, c := range of {
		all, err := ReadPEM([]byte(c.pem))
		if err != nil {
			t.Fatal(err)
		}
		h.Certificates = append(h.Certificates, all...)
	}
	return h
}

func TestJudge(t *testing.T) {
	t.Parallel()
	root := made(t, "root", true, now.Add(-time.Hour), now.Add(3650*day), "", nil)
	other := made(t, "other root", true, now.Add(-9*day), now.Add(3650*day), "", nil)
	between := made(t, "between", true, now.Add(-time.Hour), now.Add(365*day), "", root)
	own := made(t, "", false, now.Add(-2*time.Hour), now.Add(22*time.Hour), identity, root) // begins before its CA does, as in the first seconds of a mesh
	old := made(t, "", false, now.Add(-20*time.Hour), now.Add(4*time.Hour), identity, root)
	ended := made(t, "", false, now.Add(-26*time.Hour), now.Add(-2*time.Hour), identity, root)
	client := made(t, "client", false, now.Add(-day), now.Add(90*day), "", between)
	soon := made(t, "client", false, now.Add(-day), now.Add(9*day), "", between)
	later := made(t, "client", false, now.Add(day), now.Add(90*day), "", between)
	wants := []Want{{By: "DestinationRule default/news", SANs: []string{identity, "x"}}}
	for name, test := range map[string]struct {
		held  []Held
		wants []Want
		want  []string // LEVEL NAME: part of what is said
	}{
		"all is well":                     {[]Held{held(t, OwnSecret, own, root), held(t, RootSecret, root), held(t, "kubernetes://c", client, between), held(t, "kubernetes://c-cacert", other)}, wants, nil},
		"by an intermediate":              {[]Held{held(t, OwnSecret, made(t, "", false, now.Add(-time.Hour), now.Add(20*time.Hour), identity, between), between), held(t, RootSecret, other, root)}, nil, nil},
		"another CA":                      {[]Held{held(t, OwnSecret, own), held(t, RootSecret, other)}, nil, []string{"fail default: no CA of ROOTCA signed it"}},
		"another CA, in files":            {[]Held{held(t, OldFiles()[0], own), held(t, OldFiles()[1], other)}, nil, []string{"fail /etc/certs/cert-chain.pem: no CA of /etc/certs/root-cert.pem signed it"}},
		"an intermediate that is missing": {[]Held{held(t, OwnSecret, made(t, "", false, now.Add(-time.Hour), now.Add(20*time.Hour), identity, between)), held(t, RootSecret, root)}, nil, []string{"fail default: no CA of ROOTCA"}},
		"no replacement":                  {[]Held{held(t, OwnSecret, old)}, nil, []string{"warn default: the certificate ends in 4 hours and should have been replaced"}},
		"ended":                           {[]Held{held(t, OwnSecret, ended)}, nil, []string{"fail default: the certificate ended 2 hours ago"}},
		"another name":                    {[]Held{held(t, OwnSecret, made(t, "", false, now.Add(-time.Hour), now.Add(20*time.Hour), "spiffe://td/ns/a/sa/b", root))}, nil, []string{"fail default: its name is spiffe://td/ns/a/sa/b, not " + identity}},
		"no name":                         {[]Held{held(t, OwnSecret, client)}, nil, []string{"fail default: its name is none"}},
		"a rule that accepts another": {
			[]Held{held(t, OwnSecret, own)},
			[]Want{{By: "DestinationRule default/news", SANs: []string{"spiffe://x"}}},
			[]string{"fail default: DestinationRule default/news accepts spiffe://x, and the gateway is " + identity},
		},
		"ends soon":          {[]Held{held(t, "kubernetes://c", soon, between)}, nil, []string{"warn kubernetes://c: certificate CN=client ends in 9 days"}},
		"not yet":            {[]Held{held(t, "kubernetes://c", later)}, nil, []string{"fail kubernetes://c: the certificate is not valid before 2026-11-22"}},
		"out of order":       {[]Held{held(t, "kubernetes://c", between, client)}, nil, []string{"warn kubernetes://c: CN=client did not sign CN=between"}},
		"no CA":              {[]Held{held(t, "kubernetes://c-cacert", client)}, nil, []string{"fail kubernetes://c-cacert: the certificate is no CA"}},
		"one CA of two":      {[]Held{held(t, "kubernetes://c-cacert", client, other)}, nil, []string{"warn kubernetes://c-cacert: certificate CN=client is no CA"}},
		"no CA is in time":   {[]Held{held(t, "kubernetes://c-cacert", made(t, "r", true, now.Add(-9*day), now.Add(-day), "", nil))}, nil, []string{"fail kubernetes://c-cacert: the certificate ended 24 hours ago"}},
		"the image's CAs":    {[]Held{held(t, SystemRoots, made(t, "r", true, now.Add(-9*day), now.Add(-day), "", nil))}, nil, nil},
		"waited for":         {[]Held{{Name: "kubernetes://c", State: Warming}}, nil, []string{"fail kubernetes://c: Envoy waits for it and istiod does not send it: is the Secret in namespace istio-system"}},
		"its own waited for": {[]Held{{Name: OwnSecret, State: Warming}}, nil, []string{"fail default: Envoy waits for it and istiod does not send it: istiod's log"}},
		"wanted in vain": {
			[]Held{{Name: "kubernetes://c", State: Missing, Users: []string{"DestinationRule default/news"}}},
			nil,
			[]string{"fail kubernetes://c: DestinationRule default/news wants it, and nothing"},
		},
		"refused": {[]Held{{Name: "kubernetes://c", State: Active, Rejected: "key values mismatch"}}, nil, []string{"fail kubernetes://c: Envoy refused the last update, and goes on with an older one: key values mismatch"}},
	} {
		Terms{Now: now, Soon: 30 * day, Identity: identity, Wants: test.wants, Namespace: "istio-system"}.Judge(test.held)
		var got []string
		for _, h := range test.held {
			for _, p := range h.Problems {
				got = append(got, fmt.Sprintf("%s %s: %s", p.Level, h.Name, p.Says))
			}
		}
		if len(got) != len(test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
			continue
		}
		for i := range got {
			if !strings.HasPrefix(got[i], test.want[i]) {
				t.Errorf("%s: %q, want %q", name, got[i], test.want[i])
			}
		}
		pods := []Pod{{Held: test.held}, {Held: test.held}}
		if Count(pods, Fail)+Count(pods, Warn) != 2*len(test.want) {
			t.Errorf("%s: %d and %d are counted", name, Count(pods, Fail), Count(pods, Warn))
		}
	}
}

// dump is a reply about secrets in the shape that Envoy gives.
func dump(name, updated, kind string, pems ...string) string {
	field := map[string]string{"chain": `"tls_certificate":{"certificate_chain"`, "ca": `"validation_context":{"trusted_ca"`}[kind]
	content := ""
	if field != "" {
		content = field + `:{"inline_bytes":"` + base64.StdEncoding.EncodeToString([]byte(strings.Join(pems, ""))) + `"}}`
	}
	return fmt.Sprintf(`{"@type":"t","name":%q,"last_updated":%q,"secret":{"@type":"s"%s%s}}`, name, updated, map[bool]string{true: ","}[content != ""], content)
}

func TestRead(t *testing.T) {
	t.Parallel()
	root := made(t, "root", true, now, now.Add(day), "", nil)
	own := made(t, "own", false, now, now.Add(day), identity, root)
	text := `{"configs":[` + dump(OwnSecret, "2026-11-21T05:46:40.328Z", "chain", own.pem, root.pem) + "," + dump("kubernetes://c-cacert", "", "ca", root.pem) + `,
		{"name":"kubernetes://d","error_state":{"details":"key values mismatch"}}]}`
	got, err := Read(strings.NewReader(text), Active)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 3 || got[0].Type != Chain || got[1].Type != Anchor || len(got[0].Certificates) != 2 || got[0].Updated != "2026-11-21T05:46:40.328Z" || got[2].Rejected != "key values mismatch" {
		t.Fatalf("%+v", got)
	}
	c := got[0].Certificates[0]
	want := Certificate{Subject: "CN=own", Issuer: "CN=root", Serial: own.cert.SerialNumber.Text(16), SANs: []string{identity}, From: now, Expires: now.Add(day)}
	c.parsed = nil
	if diff := cmp.Diff(want, c, cmp.AllowUnexported(Certificate{})); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if first := got[0].First(); first == nil || !first.Expires.Equal(now.Add(day)) {
		t.Errorf("first to end: %v", first)
	}
	whole := `{"configs":[{"@type":"b","bootstrap":{}},{"@type":"SecretsConfigDump","dynamic_active_secrets":[` + dump(RootSecret, "", "ca", root.pem) +
		`],"dynamic_warming_secrets":[{"name":"kubernetes://late"}]}]}`
	for state, name := range map[State]string{Active: RootSecret, Warming: "kubernetes://late"} {
		got, err := Read(strings.NewReader(whole), state)
		if err != nil || len(got) != 1 || got[0].Name != name || got[0].State != state {
			t.Errorf("a whole dump, %s: %+v, %v", state, got, err)
		}
	}
	for _, broken := range []string{"", "{", `{"configs":[{"name":"a","secret":{"tls_certificate":{"certificate_chain":{"inline_bytes":"aGFsbG8="}}}}]}`} {
		if got, err := Read(strings.NewReader(broken), Active); err == nil {
			t.Errorf("%q: %v", broken, got)
		}
	}
	if _, err := Read(bytes.NewReader(make([]byte, maxReply+2)), Active); err == nil || !strings.Contains(err.Error(), "32 MiB") {
		t.Errorf("too much: %v", err)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct {
		kind Type
		use  string
	}{
		OwnSecret: {Chain, "Istio mTLS: the gateway's own"}, RootSecret: {Anchor, "Istio mTLS: verifies peers"},
		SystemRoots:               {Anchor, "system CAs: verify servers outside"},
		"kubernetes://c":          {Chain, "credential c"},
		"kubernetes://c-cacert":   {Anchor, "verifies servers for credential c"},
		"file-root:/ca.pem":       {Anchor, "verifies by file /ca.pem"},
		"file-cert:/a.pem~/a.key": {Chain, "file /a.pem"},
		"mine":                    {Chain, "named by hand"},
	} {
		if got := Expected(name); got.Type != want.kind || got.For != want.use || got.State != Missing {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestOldFiles: what Istio up to 1.4 has in /etc/certs, by content and as Envoy tells it.
func TestOldFiles(t *testing.T) {
	t.Parallel()
	root := made(t, "root", true, now, now.Add(day), "", nil)
	own := made(t, "", false, now, now.Add(day), identity, root)
	for path, want := range map[string]struct {
		of   *signed
		kind Type
		use  string
	}{
		"/etc/certs/cert-chain.pem": {own, Chain, purpose(OwnSecret)}, "/etc/certs/root-cert.pem": {root, Anchor, purpose(RootSecret)},
		"/etc/other/ca.pem": {root, Anchor, "a file of the pod"},
	} {
		h, err := File(path, []byte("text before\n"+want.of.pem))
		if err != nil || h.Type != want.kind || h.For != want.use || h.State != Active || len(h.Certificates) != 1 {
			t.Errorf("%s: %+v, %v", path, h, err)
		}
	}
	if _, err := File("/etc/certs/cert-chain.pem", []byte("no such file")); err == nil {
		t.Error("text without a certificate is one")
	}
	told := Told([]admin.Certificate{
		{Path: "<inline>", Serial: "1"},
		{Path: "/etc/certs/root-cert.pem", Serial: "0a", From: "2026-11-21T08:00:00Z", Expires: "2026-11-22T08:00:00Z", CA: true},
		{Path: "/etc/certs/cert-chain.pem", Serial: "b", SANs: []string{identity}, From: "2026-11-21T08:00:00Z", Expires: "2026-11-22T08:00:00Z"},
		{Path: "/etc/certs/cert-chain.pem", Serial: "c", From: "soon", Expires: "later"},
	})
	if len(told) != 2 || told[0].Type != Anchor || told[0].Certificates[0].Serial != "a" || told[1].Certificates[0].SANs[0] != identity || len(told[1].Problems) != 1 {
		t.Fatalf("%+v", told)
	}
	Terms{Now: now, Identity: identity}.Judge(told) // without issuers nothing is said of who signed
	if n := Count([]Pod{{Held: told}}, Fail); n != 0 {
		t.Errorf("%d problems: %+v", n, told)
	}
}

func FuzzRead(f *testing.F) {
	root := made(f, "root", true, now, now.Add(day), "", nil)
	f.Add(`{"configs":[` + dump(OwnSecret, "", "chain", root.pem) + `]}`)
	f.Add(`{"configs":[{"dynamic_warming_secrets":[{"name":"a"}]}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := Read(strings.NewReader(text), Active)
		if err != nil {
			return
		}
		Terms{Now: now, Soon: day, Identity: identity}.Judge(got)
		for _, h := range got {
			if h.State != Active {
				t.Fatalf("%q: %+v", text, h)
			}
		}
	})
}

func FuzzReadPEM(f *testing.F) {
	f.Add([]byte(made(f, "root", true, now, now.Add(day), "", nil).pem))
	f.Fuzz(func(t *testing.T, text []byte) {
		if all, err := ReadPEM(text); err == nil && len(all) == 0 {
			t.Fatal("no certificate and no error")
		}
	})
}
