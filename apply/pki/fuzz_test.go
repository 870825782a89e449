package pki

import (
	"crypto/tls"
	"strings"
	"testing"
)

// FuzzCheck: whatever the files hold, the answer is one line of an InputError or a credential that TLS itself can load.
func FuzzCheck(f *testing.F) {
	trial, err := Trial([]string{"my-nginx.mesh-external.svc.cluster.local"}, now.Add(-dayLong), now.Add(year))
	if err != nil {
		f.Fatal(err)
	}
	cert, key, ca := trial.Client.CertPEM, trial.Client.KeyPEM, trial.CA.CertPEM
	f.Add(cert, key, ca)
	f.Add(join(cert, ca), key, join(ca, ca))
	f.Add(key, cert, ca)
	f.Add(cert[:100], key[:50], []byte("-----BEGIN CERTIFICATE-----"))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"), block(blockEC, nil), []byte{0x30, 0x82, 0})
	f.Fuzz(func(t *testing.T, cert, key, ca []byte) {
		facts, err := Read(Credential{Cert: cert, Key: key, CA: ca}, now)
		if err != nil {
			if !isInput(err) || strings.Count(err.Error(), "\n") > 0 {
				t.Errorf("not one line for users: %q", err)
			}
			return
		}
		if _, err := tls.X509KeyPair(cert, key); err != nil {
			t.Errorf("passed, but TLS does not load it: %v", err)
		}
		if facts.Serial == "" || !facts.Until.After(now) {
			t.Errorf("facts %+v", facts)
		}
	})
}
