package e2e

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/go-cmp/cmp"
)

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

// untouched fails if foreign would print anything else now.
func (c *cluster) untouched(before string) {
	c.t.Helper()
	if diff := cmp.Diff(strings.Split(before, "\n"), strings.Split(c.foreign(), "\n")); diff != "" {
		c.t.Errorf("foreign objects changed: %s", diff)
	}
}
