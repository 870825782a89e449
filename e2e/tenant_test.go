package e2e

import (
	"path/filepath"
	"strings"
	"testing"
)

// tenantRights are all that a tenant has: objects of a namespace of their own, and a look at its pods.
const tenantRights = `
apiVersion: v1
kind: Namespace
metadata: {name: e2e-team, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: tenant, namespace: e2e-team}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: tenant, namespace: e2e-team}
rules:
- {apiGroups: [""], resources: [configmaps], verbs: [get, list, create, patch, delete]}
- {apiGroups: [networking.istio.io], resources: [serviceentries, gateways, virtualservices, destinationrules], verbs: [get, list, create, patch, delete]}
- {apiGroups: [""], resources: [pods], verbs: [get, list]}
- {apiGroups: [""], resources: [pods/portforward], verbs: [create]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: tenant, namespace: e2e-team}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: tenant}
subjects: [{kind: ServiceAccount, name: tenant, namespace: e2e-team}]
`

// TestTenant is somebody with rights in one namespace alone, who sends that namespace's traffic through a gateway that others look
// after, by --export-to=. and the gateway's name. Nobody else's traffic is touched.
func TestTenant(t *testing.T) {
	c := newCluster(t)
	c.apply(tenantRights)
	c.plugin(0, "sample", "install", "sleep", "-n", "e2e-team", "--image="+*image)
	tenant := c.tenant()
	before := c.foreign()

	private := []string{"--export-to=.", "--gateway=" + *gatewayRef, "--timeout=60s"}
	r := c.run("", c.egress, append(tenant, append([]string{"enable", "--domains=a.example.com"}, private...)...)...)
	if r.code != 0 || !strings.Contains(r.stderr, "could not be looked at") {
		t.Fatalf("enable says not what it could not see\n%s", r)
	}
	r = c.run("", c.egress, append(tenant, append([]string{"enable", "--domains=b.example.com", "--mode=tls-origination"}, private...)...)...)
	if r.code != 0 {
		t.Fatal(r)
	}
	for line := range strings.SplitSeq(strings.TrimSpace(c.owned()), "\n") {
		if !strings.Contains(line, " e2e-team/") {
			t.Errorf("outside the tenant's namespace: %s", line)
		}
	}
	const many = "mesh-external/many"
	for url, status := range map[string]int{"https://a.example.com": 200, "http://a.example.com": 301, "http://b.example.com": 200} {
		if !c.takes("e2e-team/sleep", url, many, status) {
			t.Errorf("%s from the tenant's namespace went round the gateway", url)
		}
		if c.takes(*clientRef, url, many, 0) {
			t.Errorf("%s from another namespace takes the tenant's way", url)
		}
	}
	if c.takes("e2e-team/sleep", "https://b.example.com", many, 200) {
		t.Error("TLS of the application's own is led through a gateway that would begin it again")
	}
	if r := c.run("", c.egress, append(tenant, "enable", "--domains=c.example.com", "--gateway="+*gatewayRef)...); r.code != 1 || !strings.Contains(r.stderr, "forbidden") {
		t.Errorf("a set for everybody needs rights that a tenant has not: %s", r)
	}
	if r := c.run("", c.egress, append(tenant, "cleanup", "--all", "--yes")...); r.code != 0 {
		t.Fatal(r)
	}
	c.plugin(0, "sample", "delete", "sleep", "-n", "e2e-team", "--yes")
	c.gone()
	c.untouched(before)
}

// tenant gives the flags by which the plugin is the tenant: a kubeconfig of the tenant's own.
func (c *cluster) tenant() []string {
	c.t.Helper()
	token := strings.TrimSpace(c.kube("-n", "e2e-team", "create", "token", "tenant"))
	file := filepath.Join(c.t.TempDir(), "kubeconfig")
	config := []string{"--kubeconfig=" + file, "config"}
	if err := writeFile(file, readFile(c.t, *kubeconfig)); err != nil {
		c.t.Fatal(err)
	}
	c.kube(append(config, "set-credentials", "tenant", "--token="+token)...)
	c.kube(append(config, "set-context", "--current", "--user=tenant", "--namespace=e2e-team")...)
	return []string{"--kubeconfig=" + file}
}
