package e2e

import (
	"strings"
	"testing"
	"time"
)

// cutOff ends all traffic between the pod and istiod, within the pod, in which a container is added for it.
const cutOff = "iptables -I OUTPUT -p tcp --dport 15012 -j DROP && iptables -I INPUT -p tcp --sport 15012 -j DROP"

// TestFaultOfCutOff: a gateway that has lost istiod goes on with what it has, and nothing looks broken until something is changed. The
// printed fix makes a pod that reaches istiod.
func TestFaultOfCutOff(t *testing.T) {
	const gateway, set = "egress-e2e-cutoff/door", "e2e-cutoff"
	namespace, name := split(gateway)
	c := newCluster(t)
	c.gateway = gateway
	t.Cleanup(func() { c.run("", c.egress, "gateway", "uninstall", gateway, "--yes", "--force") })
	c.plugin(0, "gateway", "install", gateway, "--timeout=110s")
	t.Cleanup(func() { c.forget(set) })
	enable := func(code int, domains string, flags ...string) result {
		return c.plugin(code, append([]string{"enable", "--name=" + set, "--domains=" + domains, "--mode=passthrough", "--gateway=" + gateway}, flags...)...)
	}
	enable(0, "a.example.net", "--timeout=60s")
	had := time.Now()
	pod := c.kube("-n", namespace, "get", "pods", "-o", "jsonpath={.items[0].metadata.name}")
	c.kube("-n", namespace, "debug", pod, "--quiet", "--profile=netadmin", "--image="+*image, "--image-pull-policy=IfNotPresent", "--container=cut-off", "--",
		"sh", "-c", cutOff)
	c.eventually("the pod is cut off", time.Minute, func() (bool, string) {
		state := c.kube("-n", namespace, "get", "pod", pod, "-o", "jsonpath={.status.ephemeralContainerStatuses[0].state}")
		return strings.Contains(state, `"exitCode":0`), state
	})
	if r := c.check(set, "--from-pod="+*clientRef); r.ExitCode != 0 {
		t.Fatalf("what was there before fails: %q", r.codes("fail", "warn", "unknown"))
	}
	// what is new must be newer than all that the pod has by more than istiod may take, and have had that time itself
	c.eventually("what the pod has is old enough", time.Minute, func() (bool, string) {
		return time.Since(had) > 17*time.Second, time.Since(had).String()
	})
	enable(124, "a.example.net,b.example.net", "--timeout=3s", "--no-rollback")
	c.eventually("check names EGR055", time.Minute, func() (bool, string) {
		said := strings.Join(c.check(set, "--from-pod="+*clientRef).codes("fail", "warn", "unknown"), " ")
		return said == "EGR055", said
	})
	fix := c.fixOf("fail", "EGR055")
	if want := "kubectl -n " + namespace + " rollout restart deployment/" + name; fix != want {
		t.Fatalf("fix %q, want %q", fix, want)
	}
	c.follow(fix)
	c.rolledOut(gateway)
	c.eventually("check is content", time.Minute, func() (bool, string) {
		r := c.check(set, "--from-pod="+*clientRef)
		return r.ExitCode == 0, strings.Join(r.codes("fail", "warn", "unknown"), " ")
	})
	if !c.takes(*clientRef, "https://b.example.net", "mesh-external/many", 200) {
		t.Error("b.example.net is not served through the gateway")
	}
}
