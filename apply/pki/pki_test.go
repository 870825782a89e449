package pki

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

func mustRSA(t *testing.T, s *signer) *rsa.PrivateKey {
	t.Helper()
	key, ok := s.key.(*rsa.PrivateKey)
	if !ok {
		t.Fatalf("%T is not RSA", s.key)
	}
	return key
}

func mustEC(t *testing.T, s *signer) *ecdsa.PrivateKey {
	t.Helper()
	key, ok := s.key.(*ecdsa.PrivateKey)
	if !ok {
		t.Fatalf("%T is not ECDSA", s.key)
	}
	return key
}

func parse(t *testing.T, text []byte) *x509.Certificate {
	t.Helper()
	b, rest := pem.Decode(text)
	if b == nil || b.Type != blockCertificate || len(rest) > 0 {
		t.Fatalf("not one certificate: %q", text)
	}
	cert, err := x509.ParseCertificate(b.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestIssue(t *testing.T) {
	t.Parallel()
	ca, err := NewCA("test CA", now, now.Add(year))
	if err != nil {
		t.Fatal(err)
	}
	root := parse(t, ca.CertPEM)
	if !root.IsCA || root.KeyUsage&x509.KeyUsageCertSign == 0 || root.Subject.CommonName != "test CA" || len(root.SubjectKeyId) == 0 {
		t.Errorf("the CA: IsCA %v, key usage %v, subject %s", root.IsCA, root.KeyUsage, root.Subject)
	}
	hosts := []string{"my-nginx.mesh-external.svc.cluster.local", "*.example.com"}
	for _, client := range []bool{false, true} {
		pair, err := ca.Issue(Request{CommonName: hosts[0], Organization: "some organization", DNSNames: hosts, Client: client, From: now, Until: now.Add(year)})
		if err != nil {
			t.Fatal(err)
		}
		cert := parse(t, pair.CertPEM)
		if err := cert.CheckSignatureFrom(root); err != nil {
			t.Error(err)
		}
		use := x509.ExtKeyUsageServerAuth
		if client {
			use = x509.ExtKeyUsageClientAuth
		}
		got := []any{cert.Subject.String(), cert.DNSNames, cert.ExtKeyUsage, cert.KeyUsage, cert.IsCA, cert.NotBefore, cert.NotAfter}
		want := []any{
			"CN=my-nginx.mesh-external.svc.cluster.local,O=some organization", hosts,
			[]x509.ExtKeyUsage{use},
			x509.KeyUsageDigitalSignature,
			false, now, now.Add(year),
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("client %v (-want +got):\n%s", client, diff)
		}
		if err := Check(Credential{Cert: pair.CertPEM, Key: pair.KeyPEM, CA: ca.CertPEM}, now); err != nil {
			t.Errorf("client %v: %v", client, err)
		}
	}
}

func TestSerialsDiffer(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 20 {
		ca, err := NewCA("CA", now, now.Add(year))
		if err != nil {
			t.Fatal(err)
		}
		serial := Serial(parse(t, ca.CertPEM))
		if seen[serial] || serial == "0" || strings.ToLower(serial) != serial {
			t.Errorf("serial %s", serial)
		}
		seen[serial] = true
	}
}

func TestIssueRefuses(t *testing.T) {
	t.Parallel()
	ca, err := NewCA("CA", now, now.Add(year))
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]Request{
		"outlives its CA":  {CommonName: "a", From: now, Until: now.Add(2 * year)},
		"older than CA":    {CommonName: "a", From: now.Add(-dayLong), Until: now.Add(dayLong)},
		"ends as it begun": {CommonName: "a", From: now, Until: now},
	} {
		if _, err := ca.Issue(r); !isInput(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := NewCA("CA", now, now.Add(-dayLong)); !isInput(err) {
		t.Errorf("a CA that ends before it begins: %v", err)
	}
	if _, err := (CA{}).Issue(Request{CommonName: "a", From: now, Until: now.Add(dayLong)}); err == nil {
		t.Error("the zero CA signs")
	}
	if _, err := Trial(nil, now, now.Add(year)); !isInput(err) {
		t.Errorf("a trial without host: %v", err)
	}
}

func isInput(err error) bool {
	_, ok := errors.AsType[*egress.InputError](err)
	return ok
}

// TestLongName: host names may be longer than common names; the certificate then goes without one.
func TestLongName(t *testing.T) {
	t.Parallel()
	host := strings.Repeat("a", 60) + ".example.com"
	trial, err := Trial([]string{host}, now, now.Add(year))
	if err != nil {
		t.Fatal(err)
	}
	cert := parse(t, trial.Server.CertPEM)
	if cert.Subject.CommonName != "" || cert.VerifyHostname(host) != nil {
		t.Errorf("common name %q, names %v", cert.Subject.CommonName, cert.DNSNames)
	}
}

// TestTrialHandshake has both sides of a trial meet over real TLS: each knows the other by the trial's CA, and the server demands
// a certificate, as the document's nginx does. A client of another trial is turned away.
func TestTrialHandshake(t *testing.T) {
	t.Parallel()
	const host = "my-nginx.mesh-external.svc.cluster.local"
	from := time.Now().Add(-time.Hour)
	trial, err := Trial([]string{host}, from, from.Add(year))
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := Trial([]string{host}, from, from.Add(year))
	if err != nil {
		t.Fatal(err)
	}
	if err := shake(t, trial, trial.Client, host); err != nil {
		t.Errorf("both sides of one trial: %v", err)
	}
	if err := shake(t, trial, stranger.Client, host); err == nil {
		t.Error("a client of another CA was let in")
	}
	if err := shake(t, trial, trial.Server, host); err == nil {
		t.Error("a server's certificate was taken from a client")
	}
	if err := shake(t, trial, trial.Client, "another.example.com"); err == nil {
		t.Error("the server's certificate was taken for another host")
	}
}

// shake lets a client with a certificate say a word to the trial's server, and gives the error of either side.
func shake(t *testing.T, trial TrialPairs, client Pair, host string) error {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(trial.CA.CertPEM) {
		t.Fatal("the CA is no CA")
	}
	load := func(p Pair) []tls.Certificate {
		c, err := tls.X509KeyPair(p.CertPEM, p.KeyPEM)
		if err != nil {
			t.Fatal(err)
		}
		return []tls.Certificate{c}
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: load(trial.Server), ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12,
	})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- answer(listener) }()
	defer func() {
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
	}()
	conn, err := tls.Dial("tcp", listener.Addr().String(), &tls.Config{
		Certificates: load(client), RootCAs: pool, ServerName: host, MinVersion: tls.VersionTLS12,
	})
	if err != nil {
		return errors.Join(err, <-done)
	}
	_, err = conn.Write([]byte(greeting))
	return errors.Join(err, conn.Close(), <-done)
}

const greeting = "hello"

// answer takes one connection and the greeting.
func answer(listener net.Listener) error {
	conn, err := listener.Accept()
	if err != nil {
		return err
	}
	got, err := io.ReadAll(conn)
	if err == nil && string(got) != greeting {
		err = fmt.Errorf("got %q", got)
	}
	return errors.Join(err, conn.Close())
}
