package e2e

import (
	"strings"
	"testing"
)

// These tests need a real API server and its admission, and no proxy: server-side apply, dry run, conflicts and rights are what
// fakes get wrong.

func enableArgs(more ...string) []string {
	return append([]string{"enable", "--domains=" + *host, "--mode=passthrough", "--mtls=off", "--name=refusals", "--gateway=" + *gatewayRef, "--timeout=60s"}, more...)
}

// nothing runs a command that must be refused with a message that holds the words, and change nothing.
func (c *cluster) nothing(code int, words []string, args ...string) {
	c.t.Helper()
	before := c.foreign() + c.owned()
	r := c.plugin(code, args...)
	for _, w := range words {
		if !strings.Contains(r.stderr, w) {
			c.t.Errorf("the refusal does not name %q:\n%s", w, r)
		}
	}
	if after := c.foreign() + c.owned(); after != before {
		c.t.Errorf("a refused command wrote:\nbefore\n%s\nafter\n%s", before, after)
	}
}

func TestClashIsRefused(t *testing.T) {
	for name, yaml := range map[string]string{
		"same SNI, other port number": gateway("8443", "TLS", *host, "tls: {mode: PASSTHROUGH}"),
		"HTTP on the port of TLS":     gateway("443", "HTTP", "other.example.com", ""),
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t)
			c.apply(yaml)
			c.nothing(2, []string{"theirs"}, enableArgs()...)
		})
	}
}

// TestRivalsAreRefused: with another ServiceEntry or VirtualService for the host it is not ours that the proxies go by.
func TestRivalsAreRefused(t *testing.T) {
	for name, yaml := range map[string]string{
		"ServiceEntry": `{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: theirs, namespace: default},
			spec: {hosts: [` + *host + `], resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}]}}`,
		"VirtualService": `{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: theirs, namespace: default},
			spec: {hosts: [` + *host + `], http: [{route: [{destination: {host: ` + *host + `}}]}]}}`,
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t)
			c.apply(yaml)
			c.nothing(2, []string{"theirs", *host}, enableArgs()...)
		})
	}
}

func gateway(port, protocol, host, tls string) string {
	return `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: theirs, namespace: default}
spec:
  selector: {istio: egressgateway}
  servers:
  - port: {number: ` + port + `, name: p, protocol: ` + protocol + `}
    hosts: [` + host + `]
    ` + tls + "\n"
}

func TestForeignObjectIsRefused(t *testing.T) {
	c := newCluster(t)
	c.apply(`apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: egress-refusals, namespace: default}
spec:
  hosts: [foreign.example.com]
  resolution: DNS
  ports: [{number: 443, name: tls, protocol: TLS}]
`)
	c.nothing(1, []string{"egress-refusals", "--adopt"}, enableArgs()...)
}

func TestHostOfAnotherSetIsRefused(t *testing.T) {
	c := newCluster(t)
	t.Cleanup(func() { c.forget("refusals") })
	c.plugin(0, enableArgs()...)
	c.nothing(2, []string{*host, "refusals"}, "enable", "--domains="+*host, "--name=another", "--gateway="+*gatewayRef)
}

func TestConflictIsRefusedAndForced(t *testing.T) {
	c := newCluster(t)
	t.Cleanup(func() { c.forget("refusals") })
	c.plugin(0, enableArgs()...)
	c.kube("-n", "default", "patch", "serviceentry", "egress-refusals", "--type=merge", "--field-manager=somebody", "-p", `{"spec":{"resolution":"STATIC"}}`)
	c.nothing(1, []string{"somebody", "resolution", "--force-conflicts"}, enableArgs()...)
	c.plugin(0, enableArgs("--force-conflicts")...)
	if got := c.kube("-n", "default", "get", "serviceentry", "egress-refusals", "-o", "jsonpath={.spec.resolution}"); got != "DNS" {
		t.Errorf("resolution is %q after --force-conflicts", got)
	}
}

func TestDryRunWritesNothing(t *testing.T) {
	c := newCluster(t)
	for _, how := range []string{"client", "server"} {
		before := c.foreign() + c.owned()
		r := c.plugin(0, enableArgs("--dry-run="+how)...)
		if !strings.Contains(r.stdout, "serviceentry") {
			t.Errorf("--dry-run=%s does not name what it would write:\n%s", how, r)
		}
		if after := c.foreign() + c.owned(); after != before {
			t.Errorf("--dry-run=%s wrote:\nbefore\n%s\nafter\n%s", how, before, after)
		}
	}
}

// TestRights runs as a user who may read and nothing else, then as one who may not even read gateways: what could not be read is
// never a pass.
func TestRights(t *testing.T) {
	c := newCluster(t)
	c.apply(role("reader", `[{apiGroups: ["*"], resources: ["*"], verbs: [get, list, watch]}]`))
	c.apply(role("blind", `[{apiGroups: [""], resources: ["*"], verbs: [get, list]}]`))
	c.nothing(1, []string{"forbidden", "serviceentr"}, enableArgs("--as=reader")...)
	c.plugin(0, "list", "-A", "--as=reader")

	r := c.plugin(1, "list", "-A", "--as=nobody")
	if !strings.Contains(r.stderr, "forbidden") || strings.Count(strings.TrimSpace(r.stderr), "\n") > 0 {
		t.Errorf("want one line that says forbidden:\n%s", r)
	}
	t.Cleanup(func() { c.forget("refusals") })
	c.plugin(0, enableArgs()...)
	rep := c.check("--as=blind")
	if rep.ExitCode == 0 || len(rep.codes("unknown")) == 0 {
		t.Errorf("blind, and yet exit %d with unknown %v", rep.ExitCode, rep.codes("unknown"))
	}
}

func role(user, rules string) string {
	return `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: e2e-` + user + `}
rules: ` + rules + `
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: e2e-` + user + `}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: e2e-` + user + `}
subjects: [{kind: User, apiGroup: rbac.authorization.k8s.io, name: ` + user + `}]
`
}

// TestCleanupAsks: without a terminal nobody can be asked, so nothing is taken away without --yes.
func TestCleanupAsks(t *testing.T) {
	c := newCluster(t)
	t.Cleanup(func() { c.forget("refusals") })
	c.plugin(0, enableArgs()...)
	c.nothing(2, []string{"--yes"}, "cleanup", "refusals")
	c.nothing(0, nil, "cleanup", "refusals", "--dry-run=server")
	c.plugin(0, "cleanup", "refusals", "--yes")
	c.gone()
	c.nothing(1, []string{"refusals"}, "cleanup", "refusals", "--yes")
}
