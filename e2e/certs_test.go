package e2e

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// heldSecret is one of `certs -o json` (the contract's field names).
type heldSecret struct {
	Name         string   `json:"name"`
	Type         string   `json:"type"`
	State        string   `json:"state"`
	Users        []string `json:"users"`
	Certificates []struct {
		Serial  string    `json:"serial"`
		SANs    []string  `json:"sans"`
		Issuer  string    `json:"issuer"`
		Expires time.Time `json:"expires"`
	} `json:"certificates"`
	Problems []problem `json:"problems"`
}

// problem is one of a secret's.
type problem struct {
	State   string `json:"state"`
	Message string `json:"message"`
}

// decodeHeld reads `certs -o json`: what the first pod holds, and the summary.
func decodeHeld(t *testing.T, r result) (held map[string]heldSecret, summary map[string]int) {
	t.Helper()
	var list struct {
		Items []struct {
			Held []heldSecret `json:"held"`
		} `json:"items"`
		Summary map[string]int `json:"summary"`
	}
	if err := json.Unmarshal([]byte(r.stdout), &list); err != nil || len(list.Items) == 0 {
		t.Fatalf("certs -o json: %v\n%s", err, r)
	}
	held = map[string]heldSecret{}
	for _, h := range list.Items[0].Held {
		held[h.Name] = h
	}
	return held, list.Summary
}

// certs runs `certs -o json` on the gateway, whatever its verdict, and gives what the first pod holds.
func (c *cluster) certs(code int) map[string]heldSecret {
	c.t.Helper()
	r := c.plugin(code, "certs", c.gateway, "-o", "json")
	held, summary := decodeHeld(c.t, r)
	if (summary["fail"] > 0) != (code == 3) {
		c.t.Errorf("%d problems and exit code %d\n%s", summary["fail"], code, r)
	}
	if strings.Contains(r.stdout, "PRIVATE") || strings.Contains(r.stdout, "redacted") {
		c.t.Error("something of a private key is printed")
	}
	return held
}

// TestCertsAnswersTheDocuments takes the step of "Configure an Egress Gateway" that looks at the subject alternative name in the
// gateway's certificate: the document's own command reads a file that is no longer there, Envoy's own word is the witness.
func TestCertsAnswersTheDocuments(t *testing.T) {
	c := newCluster(t)
	namespace, name := split(c.gateway)
	if r := c.run("", c.kubectl, "-n", namespace, "exec", "deploy/"+name, "-c", "istio-proxy", "--", "cat", "/etc/certs/cert-chain.pem"); r.code == 0 {
		t.Errorf("the document's command works here, so that this test shows less than it says\n%s", r)
	}
	var told struct {
		Certificates []struct {
			Chain []struct {
				Serial  string    `json:"serial_number"`
				Expires time.Time `json:"expiration_time"`
				Names   []struct {
					URI string `json:"uri"`
				} `json:"subject_alt_names"`
			} `json:"cert_chain"`
		} `json:"certificates"`
	}
	out := c.kube("-n", namespace, "exec", "deploy/"+name, "-c", "istio-proxy", "--", "pilot-agent", "request", "GET", "certs")
	if err := json.Unmarshal([]byte(out), &told); err != nil {
		t.Fatal(err)
	}
	own := c.certs(0)["default"]
	if len(own.Certificates) == 0 || own.State != "ACTIVE" || len(own.Certificates[0].SANs) != 1 {
		t.Fatalf("the gateway's own certificate: %+v", own)
	}
	leaf := own.Certificates[0]
	if !strings.HasPrefix(leaf.SANs[0], "spiffe://") || !strings.Contains(leaf.SANs[0], "/ns/"+namespace+"/sa/") || leaf.Issuer == "" || time.Until(leaf.Expires) <= 0 {
		t.Errorf("%+v", leaf)
	}
	found := false
	for _, of := range told.Certificates {
		for _, one := range of.Chain {
			if len(one.Names) > 0 && one.Names[0].URI == leaf.SANs[0] {
				found = true
				if one.Serial != leaf.Serial || !one.Expires.Equal(leaf.Expires) {
					t.Errorf("Envoy says serial %s until %s, certs says %s until %s", one.Serial, one.Expires, leaf.Serial, leaf.Expires)
				}
			}
		}
	}
	if !found {
		t.Errorf("Envoy knows no certificate of %s:\n%s", leaf.SANs[0], out)
	}
	if root := c.certs(0)["ROOTCA"]; root.Type != "CA" || root.State != "ACTIVE" || len(root.Certificates) == 0 {
		t.Errorf("ROOTCA: %+v", root)
	}
}

// TestCertsCredential takes the step of "Egress Gateways with TLS Origination" that sees whether the credential is active: there, not
// there, and wanted in vain.
func TestCertsCredential(t *testing.T) {
	c := newCluster(t)
	dir := filepath.Join(t.TempDir(), "client")
	server := c.mtlsServer(dir)
	namespace, _ := split(c.gateway)
	const secret, cacert = "kubernetes://" + credentialName, "kubernetes://" + credentialName + "-cacert"
	t.Cleanup(func() {
		c.forget(credentialSet)
		c.run("", c.egress, "credential", "delete", credentialName, "--gateway="+c.gateway, "--yes", "--force")
	})
	if _, there := c.certs(0)[secret]; there {
		t.Fatalf("%s is there before it was created", secret)
	}
	c.plugin(0, "credential", "create", credentialName, "--gateway="+c.gateway, "--cert="+filepath.Join(dir, "client.example.com.crt"),
		"--key="+filepath.Join(dir, "client.example.com.key"), "--ca="+filepath.Join(dir, "example.com.crt"))
	c.plugin(0, "enable", "--name="+credentialSet, "--domains="+server, "--mode=mtls-origination", "--credential="+credentialName, "--gateway="+c.gateway)
	held, serials := c.certs(0), c.heldSerials(namespace)
	for i, name := range []string{secret, cacert} {
		h := held[name]
		if h.State != "ACTIVE" || len(h.Certificates) == 0 || h.Certificates[0].Serial != serials[i] || !slices.ContainsFunc(h.Users, func(u string) bool { return strings.HasPrefix(u, "DestinationRule ") }) {
			t.Errorf("%s: Envoy says serial %s, certs says %+v", name, serials[i], h)
		}
	}
	r := c.plugin(0, "certs", c.gateway)
	for _, name := range []string{secret, cacert} {
		if !strings.Contains(r.stdout, name) {
			t.Errorf("the table has no %s\n%s", name, r)
		}
	}
	c.certsFaults(server)

	c.apply(`
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: e2e-in-vain, namespace: ` + namespace + `}
spec:
  host: ` + server + `
  exportTo: ["."]
  subsets:
  - name: e2e
    trafficPolicy: {tls: {mode: SIMPLE, credentialName: e2e-nobody-made-it}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: e2e-wrong-name, namespace: ` + namespace + `}
spec:
  host: ` + strings.TrimPrefix(c.gateway, namespace+"/") + `.` + namespace + `.svc.cluster.local
  exportTo: ["."]
  subsets:
  - name: e2e
    trafficPolicy: {tls: {mode: ISTIO_MUTUAL, subjectAltNames: ["spiffe://cluster.local/ns/e2e/sa/nobody"]}}
`)
	c.eventually("a credential that nobody made is told", 30*time.Second, func() (bool, string) {
		r := c.run("", c.egress, "certs", c.gateway)
		return r.code == 3 && strings.Contains(r.stdout, "e2e-nobody-made-it-cacert"), r.String()
	})
	held = c.certs(3)
	if h := held["kubernetes://e2e-nobody-made-it-cacert"]; h.State != "WARMING" && h.State != "MISSING" || len(h.Problems) == 0 {
		t.Errorf("%+v", h)
	}
	if h := held["default"]; len(h.Problems) == 0 || !strings.Contains(h.Problems[0].Message, "e2e-wrong-name accepts spiffe://cluster.local/ns/e2e/sa/nobody") {
		t.Errorf("a rule that accepts another name: %+v", h)
	}
}
