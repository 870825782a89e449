package pki

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func authority(t *testing.T) *Authority {
	t.Helper()
	a, err := NewAuthority(Name("example Inc.", "example.com"), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func issue(t *testing.T, a *Authority, l Leaf) Pair {
	t.Helper()
	p, err := a.Issue(l, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A server and a client with certificates of the same authority talk; this is what nginx and Envoy will do with them.
func TestHandshake(t *testing.T) {
	t.Parallel()
	ca := authority(t)
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca.Cert) {
		t.Fatal("the authority's certificate is not PEM")
	}
	load := func(p Pair) tls.Certificate {
		c, err := tls.X509KeyPair(p.Cert, p.Key)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.TLS.PeerCertificates[0].Subject.String()) //nolint:errcheck // the client looks at it
	}))
	server.TLS = &tls.Config{
		Certificates: []tls.Certificate{load(issue(t, ca, Leaf{Subject: Name("", "edition.cnn.com"), Names: []string{"edition.cnn.com"}}))},
		ClientCAs:    pool, ClientAuth: tls.RequireAndVerifyClientCert,
	}
	server.StartTLS()
	t.Cleanup(server.Close)

	get := func(name string, cert *Pair) (string, error) {
		conf := &tls.Config{RootCAs: pool, ServerName: name}
		if cert != nil {
			conf.Certificates = []tls.Certificate{load(*cert)}
		}
		client := http.Client{Transport: &http.Transport{TLSClientConfig: conf}}
		defer client.CloseIdleConnections()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close() //nolint:errcheck // it is only read
		text, err := io.ReadAll(resp.Body)
		return string(text), err
	}
	client := issue(t, ca, Leaf{Subject: Name("client organization", "client.example.com")})
	if got, err := get("edition.cnn.com", &client); err != nil || got != "CN=client.example.com,O=client organization" {
		t.Errorf("with a client certificate: %q, %v", got, err)
	}
	if _, err := get("edition.cnn.com", nil); err == nil {
		t.Error("without a client certificate the server must refuse")
	}
	if _, err := get("en.wikipedia.org", &client); err == nil {
		t.Error("the certificate must not be good for another name")
	}
	stranger := issue(t, authority(t), Leaf{Subject: Name("", "client.example.com")})
	if _, err := get("edition.cnn.com", &stranger); err == nil {
		t.Error("a client of another authority must be refused")
	}
}

func TestIssue(t *testing.T) {
	t.Parallel()
	ca := authority(t)
	for _, tt := range []struct {
		name  string
		leaf  Leaf
		usage x509.ExtKeyUsage
	}{
		{"server by name", Leaf{Subject: Name("o", "a.example.com"), Names: []string{"a.example.com", "*.b.example.com"}}, x509.ExtKeyUsageServerAuth},
		{"server by address", Leaf{Subject: Name("", "api"), IPs: []net.IP{net.ParseIP("127.0.0.1")}}, x509.ExtKeyUsageServerAuth},
		{"client", Leaf{Subject: Name("system:masters", "admin")}, x509.ExtKeyUsageClientAuth},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cert, err := ParseCert(issue(t, ca, tt.leaf).Cert)
			if err != nil {
				t.Fatal(err)
			}
			if len(cert.ExtKeyUsage) != 1 || cert.ExtKeyUsage[0] != tt.usage {
				t.Errorf("usage = %v", cert.ExtKeyUsage)
			}
			if cert.IsCA {
				t.Error("it must not be an authority")
			}
			if cert.Subject.String() != tt.leaf.Subject.String() {
				t.Errorf("subject = %s, want %s", cert.Subject, tt.leaf.Subject)
			}
			if !cert.NotBefore.Before(time.Now().Add(-30 * time.Minute)) {
				t.Error("it must be valid for clocks that are behind")
			}
			for _, n := range tt.leaf.Names {
				if err := cert.VerifyHostname(strings.ReplaceAll(n, "*", "any")); err != nil {
					t.Error(err)
				}
			}
			for _, ip := range tt.leaf.IPs {
				if err := cert.VerifyHostname(ip.String()); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestSaveAndLoad(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "folder")
	if _, err := Load(dir, "ca"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what was never saved gives %v", err)
	}
	ca := authority(t)
	if err := ca.Save(dir, "ca"); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "ca.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: %v, %v", info.Mode(), err)
	}
	pair, err := Load(dir, "ca")
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseAuthority(pair)
	if err != nil {
		t.Fatal(err)
	}
	leaf := issue(t, again, Leaf{Subject: Name("", "x"), Names: []string{"x"}})
	if !ca.Signed(leaf.Cert, time.Now()) {
		t.Error("what the loaded authority signs is not of the saved one")
	}
	if err := os.Remove(filepath.Join(dir, "ca.key")); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir, "ca"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a pair without its key gives %v", err)
	}
}

func TestParseAuthorityRefuses(t *testing.T) {
	t.Parallel()
	ca, other := authority(t), authority(t)
	leaf := issue(t, ca, Leaf{Subject: Name("", "x"), Names: []string{"x"}})
	for _, tt := range []struct {
		name string
		pair Pair
		want string
	}{
		{"not an authority", leaf, "not an authority's"},
		{"another's key", Pair{Cert: ca.Cert, Key: other.Key}, "do not belong together"},
		{"no certificate", Pair{Cert: []byte("hello"), Key: ca.Key}, "no certificate"},
		{"no key", Pair{Cert: ca.Cert}, "no key"},
		{"a certificate for a key", Pair{Cert: ca.Cert, Key: ca.Cert}, "parse key"},
		{"a key for a certificate", Pair{Cert: ca.Key, Key: ca.Key}, "no certificate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := ParseAuthority(tt.pair); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("ParseAuthority = %v, want %q", err, tt.want)
			}
		})
	}
}

func TestSigned(t *testing.T) {
	t.Parallel()
	ca := authority(t)
	leaf := issue(t, ca, Leaf{Subject: Name("", "x"), Names: []string{"x"}})
	now := time.Now()
	for _, tt := range []struct {
		name string
		by   *Authority
		cert []byte
		at   time.Time
		want bool
	}{
		{"now", ca, leaf.Cert, now, true},
		{"when it has ended", ca, leaf.Cert, now.Add(2 * time.Hour), false},
		{"another authority of the same name", authority(t), leaf.Cert, now, false},
		{"no certificate", ca, []byte("x"), now, false},
	} {
		if got := tt.by.Signed(tt.cert, tt.at); got != tt.want {
			t.Errorf("%s: Signed = %t", tt.name, got)
		}
	}
}

func TestSigningKey(t *testing.T) {
	t.Parallel()
	private, public, err := SigningKey()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parseKey(private); err != nil {
		t.Errorf("private half: %v", err)
	}
	if !strings.HasPrefix(string(public), "-----BEGIN PUBLIC KEY-----") {
		t.Errorf("public half: %q", public)
	}
}

func FuzzParseCert(f *testing.F) {
	a, err := NewAuthority(Name("", "x"), time.Hour)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(a.Cert)
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, text []byte) {
		cert, err := ParseCert(text)
		if (cert == nil) == (err == nil) {
			t.Errorf("ParseCert gives %v and %v", cert, err)
		}
	})
}
