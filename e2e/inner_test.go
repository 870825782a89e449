package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestInnerNameRefused is a workload that got past its sidecar's rules: it is let through the gateway's outer TLS under a name of the
// set, and asks for another host inside. The gateway refuses it, says so in its log, and the outside server never hears of it.
func TestInnerNameRefused(t *testing.T) {
	c := newCluster(t)
	set := modeCase{mode: "sni-dynamic", mtls: "on", hosts: []string{"*.wikipedia.org"}}
	t.Cleanup(func() { c.forget(set.set()) })
	c.plugin(0, set.enable()...)
	gatewayNamespace, gatewayName := split(c.gateway)
	clientNamespace, _ := split(*clientRef)
	subset := strings.TrimSpace(c.kube("-n", gatewayNamespace, "get", "destinationrule", "egress-"+set.set()+"."+clientNamespace, "-o", "jsonpath={.spec.subsets[0].name}"))

	c.apply(fmt.Sprintf(`
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: smuggled, namespace: %[1]s}
spec:
  hosts: [%[2]s]
  ports: [{number: 443, name: tls, protocol: TLS}]
  resolution: DNS
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: smuggled, namespace: %[1]s}
spec:
  hosts: [%[2]s]
  tls:
  - match: [{port: 443, sniHosts: [%[2]s]}]
    route: [{destination: {host: %[3]s.%[4]s.svc.cluster.local, subset: %[5]s, port: {number: 443}}}]
`, clientNamespace, *host, gatewayName, gatewayNamespace, subset))

	refused := ""
	c.eventually("the gateway refuses "+*host, 30*time.Second, func() (bool, string) {
		status, nonce := c.request(*clientRef, "https://"+*host)
		refused = nonce
		return status == 0, fmt.Sprintf("status %d", status)
	})
	c.eventually("the gateway says so in its log", 20*time.Second, func() (bool, string) {
		log := c.kube("-n", gatewayNamespace, "logs", "deploy/"+gatewayName, "-c", "istio-proxy", "--since=60s")
		for line := range strings.Lines(log) {
			if strings.Contains(line, "NR filter_chain_not_found") && strings.Contains(line, " "+*host+" ") && strings.Contains(line, "envoy://sni_listener_") {
				return true, ""
			}
		}
		return false, "no such line"
	})
	namespace, name := split(*outsideRef)
	if log := c.kube("-n", namespace, "logs", "deploy/"+name, "--tail=200"); strings.Contains(log, refused) {
		t.Errorf("the outside server saw request %s", refused)
	}
	if !c.takes(*clientRef, "https://en.wikipedia.org", "mesh-external/en", 200) {
		t.Error("hosts of the set no longer take the gateway")
	}
}
