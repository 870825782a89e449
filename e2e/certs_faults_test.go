package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"
)

// authority signs certificates that no server or client of the lab knows.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

// issue makes a certificate that is valid from a day ago until some time from now, and its key, as PEM; signed by the authority, or by
// itself if there is none.
func issue(t *testing.T, by *authority, name string, until time.Duration) (a *authority, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(until),
		BasicConstraintsValid: true, IsCA: by == nil, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	a = &authority{cert: template, key: private}
	if by == nil {
		by = a
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.cert, private.Public(), by.key)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return a, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: encoded})
}

// certsFaults puts faulty certificates into the credential that the gateway has in use, by hand as people do it, and wants each told.
func (c *cluster) certsFaults(server string) {
	c.t.Helper()
	namespace, _ := split(c.gateway)
	const secret, cacert = "kubernetes://" + credentialName, "kubernetes://" + credentialName + "-cacert"
	stranger, _ := issue(c.t, nil, "a stranger", 365*24*time.Hour)
	put := func(data map[string][]byte) {
		var fields []string
		for key, value := range data {
			fields = append(fields, fmt.Sprintf("%q:%q", key, base64.StdEncoding.EncodeToString(value)))
		}
		c.kube("-n", namespace, "patch", "secret", credentialName, "--type=merge", "-p", `{"data":{`+strings.Join(fields, ",")+`}}`)
	}
	told := func(what, name, level, words string) {
		c.eventually(what, 60*time.Second, func() (bool, string) {
			if level == "fail" && strings.Contains(words, "accept") {
				c.fetch(server) // only a connection tells
			}
			r := c.run("", c.egress, "certs", c.gateway, "-o", "json", "--fail-on=warning")
			held, _ := decodeHeld(c.t, r)
			found := slices.ContainsFunc(held[name].Problems, func(p problem) bool { return p.State == level && strings.Contains(p.Message, words) })
			return found && r.code == map[string]int{"fail": 3, "warn": 4}[level], r.String()
		})
	}
	for _, fault := range []struct {
		what, level, words string
		until              time.Duration
	}{
		{"a client certificate that ends soon", "warn", "the certificate ends in", 72 * time.Hour},
		{"one that has ended", "fail", "the certificate ended", -time.Hour},
	} {
		client, key := issue(c.t, stranger, "client", fault.until)
		put(map[string][]byte{"tls.crt": client.pem, "tls.key": key})
		told(fault.what, secret, fault.level, fault.words)
	}
	client, key := issue(c.t, stranger, "client", 90*24*time.Hour)
	put(map[string][]byte{"tls.crt": client.pem, "tls.key": key, "ca.crt": stranger.pem})
	told("a CA that did not sign the server", cacert, "fail", "does not accept the server of outbound|443||"+server)
	put(map[string][]byte{"ca.crt": client.pem})
	told("a CA that is none", cacert, "fail", "is no CA")
}
