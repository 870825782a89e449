package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// TestModes proves each mode from declaration to removal: the page arrives, the outside server saw the gateway, the gateway's
// counter grew by just the requests sent, check is content, and cleanup leaves the cluster as it was.
func TestModes(t *testing.T) {
	for _, tt := range []struct {
		mode, mtls string
		urls       []string // schemes that must take the gateway
	}{
		{mode: "passthrough", mtls: "off", urls: []string{"https"}},
		{mode: "passthrough", mtls: "on", urls: []string{"https"}},
		{mode: "http", mtls: "off", urls: []string{"http"}},
		{mode: "http", mtls: "on", urls: []string{"http"}},
		{mode: "auto", mtls: "off", urls: []string{"https", "http"}},
		{mode: "auto", mtls: "auto", urls: []string{"https", "http"}},
	} {
		t.Run(tt.mode+"-mtls-"+tt.mtls, func(t *testing.T) {
			c := newCluster(t)
			before := c.foreign()
			for _, scheme := range tt.urls {
				if c.passes(*clientRef, scheme+"://"+*host, *outsideRef) {
					t.Fatalf("%s already takes the gateway before enable", scheme)
				}
			}
			hosts := append([]string{*host}, "en.wikipedia.org", "de.wikipedia.org")
			enable := []string{"enable", "--name=modes", "--domains=" + strings.Join(hosts, ","), "--mode=" + tt.mode, "--mtls=" + tt.mtls, "--timeout=60s"}
			t.Cleanup(func() { c.forget("modes") })
			c.plugin(0, enable...)
			c.unchanged(enable)
			for _, scheme := range tt.urls {
				c.grows(scheme)
				for other, outside := range otherHosts {
					if !c.passes(*clientRef, scheme+"://"+other, outside) {
						t.Errorf("%s://%s went round the gateway", scheme, other)
					}
				}
				if !c.passes(*secondRef, scheme+"://"+*host, *outsideRef) {
					t.Errorf("%s from the client in another namespace went round the gateway", scheme)
				}
			}
			rep := c.check()
			if rep.ExitCode != 0 || len(rep.codes("fail", "warn", "unknown")) > 0 {
				t.Errorf("check is not content: exit %d, %v", rep.ExitCode, rep.codes("fail", "warn", "unknown"))
			}
			if want := len(hosts) * len(tt.urls); len(rep.Paths) != want {
				t.Errorf("check saw %d paths, want %d", len(rep.Paths), want)
			}
			c.plugin(0, "cleanup", "modes", "--yes")
			c.gone()
			if after := c.foreign(); after != before {
				t.Errorf("foreign objects changed:\nbefore %s\nafter  %s", before, after)
			}
			for _, scheme := range tt.urls {
				if c.passes(*clientRef, scheme+"://"+*host, *outsideRef) {
					t.Errorf("%s still takes the gateway after cleanup", scheme)
				}
			}
		})
	}
}

// grows sends three requests by one scheme and compares with the gateway's own counter: connections for TLS, requests for HTTP
// (whose connections are kept and shared).
func (c *cluster) grows(scheme string) {
	c.t.Helper()
	name, stat := "outbound|443||"+*host, "cx_total"
	if scheme == "http" {
		name, stat = "outbound|80||"+*host, "rq_total"
	}
	before := c.counter(name, stat)
	const sent = 3
	for range sent {
		if !c.passes(*clientRef, scheme+"://"+*host, *outsideRef) {
			c.t.Fatalf("%s://%s went round the gateway", scheme, *host)
		}
	}
	if after := c.counter(name, stat); after-before != sent {
		c.t.Errorf("%s of %s grew by %d for %d requests", stat, name, after-before, sent)
	}
}

const ours = "app.kubernetes.io/managed-by=kubectl-egress"

const watchedKinds = "serviceentries.networking.istio.io,gateways.networking.istio.io,virtualservices.networking.istio.io," +
	"destinationrules.networking.istio.io,envoyfilters.networking.istio.io,configmaps"

// foreign prints every object of the kinds that the tool writes and that is not the tool's own, with its resource version: equal
// text means equal bytes in etcd. ConfigMaps that clusters write themselves (leader election) are left out.
func (c *cluster) foreign() string {
	c.t.Helper()
	raw := c.kube("get", watchedKinds, "-A", "-l", strings.Replace(ours, "=", "!=", 1), "-o", "json")
	var list struct {
		Items []struct {
			Kind     string `json:"kind"`
			Metadata struct {
				Namespace, Name, UID, ResourceVersion string
				Annotations                           map[string]string
			} `json:"metadata"`
		} `json:"items"`
	}
	if err := json.Unmarshal([]byte(raw), &list); err != nil {
		c.t.Fatalf("objects of the cluster: %v", err)
	}
	var b strings.Builder
	for _, o := range list.Items {
		if _, lease := o.Metadata.Annotations["control-plane.alpha.kubernetes.io/leader"]; lease {
			continue
		}
		fmt.Fprintf(&b, "%s %s/%s %s %s\n", o.Kind, o.Metadata.Namespace, o.Metadata.Name, o.Metadata.UID, o.Metadata.ResourceVersion)
	}
	return b.String()
}

// owned prints the tool's own objects with their versions.
func (c *cluster) owned() string {
	c.t.Helper()
	return c.kube("get", watchedKinds, "-A", "-l", ours, "-o",
		`jsonpath={range .items[*]}{.kind} {.metadata.namespace}/{.metadata.name} {.metadata.resourceVersion}{"\n"}{end}`)
}

// unchanged runs enable once more and expects no write at all.
func (c *cluster) unchanged(enable []string) {
	c.t.Helper()
	before := c.owned()
	if strings.TrimSpace(before) == "" {
		c.t.Fatal("enable left no object with its label")
	}
	c.plugin(0, enable...)
	if after := c.owned(); after != before {
		c.t.Errorf("a second enable wrote:\nbefore\n%s\nafter\n%s", before, after)
	}
}

// gone fails if an object with the tool's label is left.
func (c *cluster) gone() {
	c.t.Helper()
	if left := strings.TrimSpace(c.owned()); left != "" {
		c.t.Errorf("left after cleanup:\n%s", left)
	}
}

// forget takes a set away that a failed test left behind.
func (c *cluster) forget(set string) {
	if c.owned() == "" {
		return
	}
	if r := c.run("", c.egress, "cleanup", set, "--yes"); r.code != 0 {
		c.t.Logf("cleaning up after the test: %s", r)
	}
}
